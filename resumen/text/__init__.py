"""Text: strings in, strings out. Words, sentences, languages, templates' fields, conversations."""
