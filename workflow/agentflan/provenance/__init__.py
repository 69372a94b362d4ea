"""Provenance: what every step read and wrote, with what code, settings and machine; and whether it is still true.

``recorder`` writes one immutable record a job attempt, ``store`` keeps them, ``lineage`` chains them by content,
``verdicts`` judges artefacts, ``replay`` runs jobs again, ``seal`` signs the Merkle root of all records. Records lie in
``results/.provenance/``::

    started/<attempt>.json                 a job that runs, or was killed
    records/<time>-<command>-<attempt>.<hash>.json   a finished job; the name holds the first digits of its SHA-256
    objects/<SHA-256>                      what many records share: file listings of folders, code, packages
    hashes/                                hashes of large files by size, times and inode; may be deleted at any time
    seals/                                 signed roots

What other parts of the project may build on, and what stays as it is:

- ``store_for("results").records()`` yields `store.Record`; ``record.content`` has the keys that `recorder` writes.
- ``Lineage(store).artefacts[path]`` is an `lineage.Artefact` with ``files`` (SHA-256 by path) and ``record``;
  ``Lineage(store).inputs(artefact)`` are the files that its step read, each with the artefact that produced it.
- ``Auditor(store, knowledge(store, {})).judge(targets)`` gives an `audit.Node` by path: ``verdict``, ``findings``,
  ``record``, ``inputs`` (paths of other nodes), ``sources``, ``present``. ``report.to_json(nodes)`` says the same
  as JSON; ``agentflan audit --json`` prints it under ``artefacts``, with ``verdict``, ``findings`` (of the records
  themselves), ``unfinished`` (attempts), ``records`` (their number) and ``root``.
- ``cells.find_cell(table, "Agent-FLAN,T-Eval")`` gives a number's score files, transcripts and episodes.
- ``citation.cite(lineage, path)`` is what a caption says of a file: its hash and the record that made these bytes.
- ``seal.printed_root(store)`` is the Merkle root that documents print: it covers all records but those of documents
  (`seal.DOCUMENTS`), which could not print it otherwise. ``agentflan verify --root HEX`` checks a printed one.
"""
