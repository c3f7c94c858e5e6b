"""Errors of a user: a request that cannot work, said in one sentence."""


class UserError(Exception):
    """Something failed for a reason that the user can mend; the message says what to do.

    The command line prints the message and exits with `exit_code`; the app shows it in the page.
    """

    exit_code = 1


class UsageError(UserError):
    """The request itself makes no sense (a field that does not exist, an impossible age)."""

    exit_code = 2
