"""The embedded world: a few hundred words of its own, written in the upstream raw formats of the paper's corpora.

Everything is drawn from named seeds. Training and test share the words but not their combinations: names and tools of
the benchmark tasks occur in no training corpus.
"""
