"""Scoring: the registry of measures, the bootstrap, the comparisons."""
