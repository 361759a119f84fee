"""Exceptions that mean something to callers: a user's mistake, a run that is ended early, a request to stop."""


class UserError(ValueError):
    """A user's mistake, told in one sentence: what is wrong, where, and what to do about it.

    Command lines print the sentence and exit with status 2; nobody sees a traceback.
    """


class Pruned(Exception):
    """Raised by an observer of a run that is not worth continuing; its text is the reason."""


class Stopped(Exception):
    """Raised in a run whose gate failed, where that is to end it; its text is the reason, and the run counts as failed."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it stops a run as cleanly as Ctrl-C does."""
