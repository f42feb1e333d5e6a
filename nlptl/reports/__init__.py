"""Floor 4: tables, pictures and model cards from results."""
