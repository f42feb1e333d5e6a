"""Two languages in one space of word vectors."""
