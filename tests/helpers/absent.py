"""A library without its private functions."""


class Gone:
    """What has no attribute."""

    def __getattr__(self, name):
        raise AttributeError(name)
