"""Floor 1: folders that are whole or absent, arrays without pickle, a bounded cache of rows."""
