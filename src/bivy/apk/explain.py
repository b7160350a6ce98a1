"""x."""

from bivy.apk.errors import ApkError


class UnsolvableError(ApkError):
    """."""


def explain(problem, changes):
    return UnsolvableError("no")
