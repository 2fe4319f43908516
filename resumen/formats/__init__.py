"""Formats: files with rows as people have them, each read row by row, within bounds."""
