"""Floor 8: the command line. The only floor that prints."""
