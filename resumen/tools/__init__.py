"""Tools: what people run beside the DAG, each a subcommand of `resumen`."""
