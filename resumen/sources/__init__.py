"""Sources: rows from outside the repository, and the audit of them."""
