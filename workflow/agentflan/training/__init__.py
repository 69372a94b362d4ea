"""Training: conversations and a recipe in, weights and losses by group out (paper Appendix A, Table 5)."""
