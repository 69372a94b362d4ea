"""Agent-FLAN, reproduced: raw → filtered → chat → decomposed → mixed → checkpoint → scores → tables and figures."""

__version__ = "0.1.0"
