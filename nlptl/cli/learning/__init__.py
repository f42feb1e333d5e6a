"""Commands that learn, or say which way of learning is better."""
