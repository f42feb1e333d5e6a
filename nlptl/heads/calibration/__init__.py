"""What is learnt from rows held out: strengths, temperatures, thresholds, rare classes."""
