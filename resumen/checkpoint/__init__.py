"""Checkpoint: what the files of a model's folder may hold."""
