"""How a model of texts is fitted: choices, the frozen rung, tuning."""
