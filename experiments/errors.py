"""The one exception for mistakes a user can make."""


class UserError(ValueError):
    """A user's mistake, told in one sentence: what is wrong, where, and what to do about it.

    Command lines print the sentence and exit with status 2; nobody sees a traceback.
    """
