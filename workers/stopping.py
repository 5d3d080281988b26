"""How a trial is told to stop: by what its check between steps raises."""


class TrialStopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """A trial was told to stop."""
