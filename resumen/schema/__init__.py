"""Schema: params.yaml and the rows that stages exchange, read and checked."""
