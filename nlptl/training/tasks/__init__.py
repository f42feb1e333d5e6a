"""Several tasks on one network: what they are fed, their losses, and how they agree."""
