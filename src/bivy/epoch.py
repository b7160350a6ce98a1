"""The time that everything made gets, so that it does not matter when it was made."""

from __future__ import annotations

import os

from bivy.errors import BivyError

# The start of 2026, UTC. A fixed one, since a time taken from the clock or from the sources' place of origin would
# make two builds differ.
DEFAULT_EPOCH = 1767225600


def source_date_epoch() -> int:
    """Return the time that made files get, in seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH).

    Raises:
        BivyError: The variable is set to something else than a number.
    """
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not told:
        return DEFAULT_EPOCH
    if not told.isdecimal():
        raise BivyError(f"SOURCE_DATE_EPOCH is {told!r}", hint="it has to be a number of seconds since 1970")
    return int(told)
