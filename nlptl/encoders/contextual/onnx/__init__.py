"""Encode texts with onnxruntime: write the graph of an encoder, check, choose and run it."""
