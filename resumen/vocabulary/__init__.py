"""Vocabulary: the tokenizer, and its repair for Spanish."""
