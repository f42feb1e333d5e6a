"""Fitted classifiers as ONNX graphs: written, checked against the model, and read fast."""
