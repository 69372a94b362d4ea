"""One page of all tables and figures, self-contained, in which each number opens its lineage down to the raw files.

`contents` reads tables, figures and captions; `evidence` the artefacts behind them, with verdicts and records; `cost`
what they took; `render` fills ``page.html.jinja``. The script has three parts: ``graph.js`` lays a lineage out,
``lineage.js`` shows it with the records, ``page.js`` is the keyboard, the filter and the theme. What comes from data is
escaped, and the page's own content security policy forbids every request and every script but this one.
"""
