"""Large tables: scored in pieces, by one process or several, and taken up again after a stop."""
