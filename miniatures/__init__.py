"""Miniatures: the recipes that train the shipped T5s, and their weights."""
