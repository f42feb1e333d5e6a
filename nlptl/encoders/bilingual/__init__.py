"""Word vectors and vocabularies of two languages in a shared space."""
