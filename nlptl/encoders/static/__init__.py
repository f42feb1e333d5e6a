"""Word vectors: one vector a word, the same in every sentence."""
