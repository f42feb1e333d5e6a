"""Floor 0: errors, protocols, parameter access, chance, progress. Imports nothing of nlptl."""
