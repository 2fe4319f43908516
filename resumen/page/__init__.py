"""Page: the charts, the tables and the templates of the report and the model card."""
