"""Generation: what a loaded model writes, summaries of the test articles and answers to prompts."""
