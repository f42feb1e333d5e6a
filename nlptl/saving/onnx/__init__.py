"""Export fitted classifiers as ONNX graphs, check the graphs, and predict with them."""
