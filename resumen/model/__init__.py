"""Model: weights in, numbers out. T5, decoding, devices, several processes."""
