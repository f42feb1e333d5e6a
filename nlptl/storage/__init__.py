"""Floor 1: atomic writes of files and folders, arrays without pickle, a row cache with a limit."""
