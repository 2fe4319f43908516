"""Scoring: measures beside ROUGE, the bootstrap, the comparisons."""
