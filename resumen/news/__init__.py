"""News: the made-up articles, and questions about them."""
