"""Prompts: how a summary is asked for, and what a prompt that is too long loses."""
