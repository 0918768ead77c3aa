"""The error of a run that nothing may be done about."""


class RefusedError(ValueError):
    """A run's folder holds what another version, other data or other weights made: it is left as it is.

    Whoever asked is told; nothing is trained, and nothing is written into the folder.
    """
