"""Networks that the loop trains: over features, and over texts."""
