"""Several tasks at once: how they are read, learnt together, judged apart, and kept."""
