"""Training: the loop that fine-tunes, and what it keeps to resume."""
