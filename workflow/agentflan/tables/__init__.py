"""Tables 1–6 in the paper's rows and columns, ours beside the published values, bounds, failures and the claims.

A module here is a table: `cells(plan, results)` says what stands in each place, `build(plan, results)` lays it out.
They read files below ``results/<study>/`` and the study's plan (``plan.json``), never `paper/published`, which only
`comparison` and `claims` open. Nothing that was not run gets a number: its cell says "not run" and comparison.csv says
why.

The plan is one JSON object. An *entry* is a row, a bar or a point::

    {"label": "Agent-FLAN",                     the paper's name of it
     "agents": ["tiny_7b-agent_flan-s0"],       one a seed, the mean counts; [] if the study has no such agent,
     "reason": "no key for this API",           then with the reason
     "not_run": {"held_in": "as in the paper"}} optional: reasons for single columns, before the study's own

Keys of the plan (column names below are ``held_in hotpotqa sciworld webarena teval agent_h mmlu gsm8k humaneval``):

=============== ======================================================================================================
``name``        the study
``not_run``     {column: reason} for columns that no agent of the study is run on
``benchmarks``  [{"name": "agent_h", "title": "Agent-H"}]: the benchmarks that are run, in the order of the bounds table
``bounds``      entries: oracle, random
``failures``    entries, one an agent, with ``benchmarks``: all that some table or figure asks it for
``table1``      entries in the paper's order
``table2``      entries with ``condition``
``table3``      entries in the paper's order
``table4``      entries with ``model``: the paper's name of the base model ("Llama2-7B"); the first one of a
                model is the "general data" that the changes are against
``table5``      [{"label": "Llama2-7B", "reason": …} or {"label", "gpus", "lr", "warmup_lr", "batch", "schedule"}]
``table6``      [{"label": "OS", "dataset": "os"}], without the total
``figure1``     {"reference": entry, "rows": [entries]}; the last row is the one that the label of a panel is about
``figure2``     entry: the fine-tune on ReAct data whose losses are drawn
``figure3``     entry: the fine-tune whose losses are drawn by capability
``figure4``     entries whose transcripts are searched, in this order
``figure5``     {"dataset": "toolbench"}
``figure6``     {"conditions": [{"label", "condition"}], "agent_h": entry whose scores tell the benchmark's counts}
``figure7``     entries with ``fraction`` (0, 0.25, … 1)
``figure8``     entries with ``series`` ("ReAct tuning", "Agent-FLAN") and ``model`` ("Llama2-7B", …)
``figure9``     entries: the baseline and Agent-FLAN
=============== ======================================================================================================

What each reads below ``results/<study>/`` (`{agent}` stands for all agents of its entries):

=============== ======================================================================================================
table1, 3       ``scores/{agent}/{benchmark}.json``: {"value", "low", "high", "n", "samples", "parts", "protocol"}, or
                {"status": "not run", "reason": …}. HELD-IN needs alfworld, webshop, mind2web, kg, os and db
table2          the same, and ``mixed/{condition}.tokens.json``: {"all": …, "loss": …}
table4          ``scores/{agent}/{mmlu,gsm8k,humaneval}.json``
table5          nothing
table6          ``filtered/{dataset}.counts.json``: {"kept": …}
bounds          ``scores/{agent}/{benchmark}.json``
failures        the same: {"outcomes": {…}, "parts": {"faults": {"format", "tool", "arguments"}}}
comparison      all of these, and `paper/published/*.csv`
claims          what the comparison reads, ``claims.yaml`` there, ``scores/{agent}/toolbench_eval.json`` of figure9,
                ``losses/{agent}.parquet`` of figure2 and figure3
figure1, 7, 8   ``scores/{agent}/{benchmark}.json``
figure2, 3      ``losses/{agent}.parquet``: step, kind, group, loss_sum, tokens
figure4, 9      ``transcripts/{agent}/agent_h.jsonl``, ``transcripts/{agent}/toolbench_eval.jsonl``
figure5         ``chat/{dataset}.jsonl``, ``chat/{dataset}.react.jsonl``, ``decomposed/{reasoning,…}.jsonl``
figure6         ``mixed/{condition}.jsonl``, ``scores/{agent}/agent_h.json``
figure10, 11    ``decomposed/negative.jsonl``
=============== ======================================================================================================
"""
