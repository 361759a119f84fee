"""Exceptions that mean something to callers: a user's mistake, a run that is ended early, a request to stop."""


class UserError(ValueError):
    """A user's mistake, told in one sentence: what is wrong, where, and what to do about it.

    Command lines print the sentence and exit with status 2; nobody sees a traceback.
    """


class Pruned(Exception):
    """Raised by an observer of a run that is not worth continuing; its text is the reason."""


class Stopped(Exception):
    """Raised in a run whose gate failed, where that is to end it; its text is the reason, and the run counts as failed."""


class TakenOver(UserError):
    """The run is another process's by now, because this one was silent for too long: it is to leave the run's files alone."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it stops a run as cleanly as Ctrl-C does."""


def told(error: UserError | OSError) -> str:
    """The sentence that a command line shows of a mistake; a file or folder that cannot be used is one too.

    Raises:
        OSError: the error itself, where it is about no file: that is no user's mistake.
    """
    if isinstance(error, UserError):
        return str(error)
    if error.filename is None:
        raise error
    return f"{str(error.filename)[:200]!r} cannot be used ({error.strerror}): name another file or folder, or mend this one."
