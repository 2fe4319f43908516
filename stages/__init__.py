"""The ten stages of the pipeline; DVC runs each as `python -m stages.<name>`."""
