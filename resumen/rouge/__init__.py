"""ROUGE, over the words of Unicode."""
