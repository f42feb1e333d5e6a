"""Tables in files: reading and writing them, whole or in pieces."""
