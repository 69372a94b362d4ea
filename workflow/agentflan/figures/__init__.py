"""Figures 1–11, each drawn from the study's own files.

A module here is a figure: `draw(plan, results) -> Figure`. What it reads, and the keys of the plan, stand in
`agentflan.tables`. Where an input was not run, the figure says so in words in place of the panel.
"""
