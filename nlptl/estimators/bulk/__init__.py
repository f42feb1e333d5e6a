"""Score large tables in blocks, with one or several processes, and resume after a stop."""
