"""Word vectors: one vector per word, the same in every sentence."""
