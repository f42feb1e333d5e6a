"""Floor 4: results in, tables out."""
