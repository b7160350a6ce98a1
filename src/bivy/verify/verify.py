"""An image is checked: its bytes are read here, programs run in sandboxes at the same time, and a report is made."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import msgspec

from bivy import __version__
from bivy.errors import BivyError
from bivy.musl.render.summary import flat
from bivy.progress import Silent, under_way
from bivy.threads import side_by_side
from bivy.verify.check import own_checks
from bivy.verify.programs import opened_for_programs, run_program
from bivy.verify.readings import READINGS
from bivy.verify.readings.registry import CannotBeMadeError
from bivy.verify.report import Outcome, Report, Status
from bivy.verify.subject import read_subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.run.container import Root
    from bivy.verify.check import Check
    from bivy.verify.subject import Subject

_AT_ONCE = 3
# Of a fault that is everywhere, nobody reads more.
_MOST_FINDINGS = 1000


def verify(
    image: Image,
    checks: Sequence[Check] | None = None,
    *,
    where: str,
    cache: Path,
    without: Mapping[str, str] | None = None,
    more: Sequence[Outcome] = (),
    progress: Progress | None = None,
) -> Report:
    """Check an image.

    What cannot be read or run is no fault of this function's: the checks that need it are skipped, and say why.

    Args:
        image: The image.
        checks: What is checked; ``None`` for all of bivy's own checks.
        where: What the person calls the image.
        cache: bivy's cache folder.
        without: Checks that are left out, by name, each with the reason.
        more: What came of checks that were made elsewhere, such as CPython's own test suite.
        progress: Who watches.
    """
    asked = own_checks() if checks is None else tuple(checks)
    left_out = without or {}
    started = dt.datetime.now(dt.UTC)
    wanted = [check for check in asked if check.name not in left_out]
    with under_way(progress or Silent(), f"check {where}", detail=f"{len(wanted)} checks"):
        made = _make(image, wanted, where, cache)
    outcomes = [
        made[check.name] if check.name in made else _outcome(check, Status.LEFT_OUT, reason=left_out[check.name])
        for check in asked
    ]
    return Report(
        image=flat(where),
        digest=image.digest,
        platform=image.config.platform,
        date=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        bivy=__version__,
        outcomes=(*outcomes, *more),
        complete={check.name for check in own_checks()} <= {check.name for check in asked},
    )


def _make(image: Image, checks: Sequence[Check], where: str, cache: Path) -> dict[str, Outcome]:
    """Make checks, what is read and what is run, side by side."""
    subject = read_subject(image, where, cache)
    by_name = {check.name: check for check in checks}
    # Programs first: they take longest, and wait for other processes.
    ordered = [check.name for check in sorted(checks, key=lambda check: (not check.runs, -check.timeout))]

    def make(root: Root | str) -> dict[str, Outcome]:
        return side_by_side(lambda name: _one(by_name[name], subject, root), ordered, _AT_ONCE, threading.Event())

    if subject.tree is None or not any(check.runs for check in checks):
        return make(subject.tree_fault)
    with opened_for_programs(image, cache) as root:
        return make(root)


def _one(check: Check, subject: Subject, root: Root | str) -> Outcome:
    """Make a check; `root` says why where nothing can run in the image."""
    reason = _missing(check, subject, root)
    if not reason:
        try:
            findings = _findings(check, subject, root)
        except (CannotBeMadeError, BivyError) as fault:
            reason = str(fault)
        else:
            said = [flat(line) for line in findings[:_MOST_FINDINGS]]
            if len(findings) > _MOST_FINDINGS:
                said.append(f"and {len(findings) - _MOST_FINDINGS} more")
            return _outcome(check, Status.FAILED if findings else Status.PASSED, tuple(said))
    return _outcome(check, Status.SKIPPED, reason=reason)


def _missing(check: Check, subject: Subject, root: Root | str) -> str:
    """Return what is missing to make a check; empty where nothing is."""
    if check.reading is None:
        return root if isinstance(root, str) else ""
    needs = READINGS[check.reading].needs
    if needs != "image" and subject.tree is None:
        return subject.tree_fault
    return subject.packages_fault if needs == "packages" and subject.packages is None else ""


def _findings(check: Check, subject: Subject, root: Root | str) -> list[str]:
    if check.reading is None:
        assert not isinstance(root, str)
        return run_program(check, subject.image, root)
    reading = READINGS[check.reading]
    return list(reading.find(subject, msgspec.convert(check.settings, reading.settings)))


def _outcome(check: Check, status: Status, findings: tuple[str, ...] = (), reason: str = "") -> Outcome:
    return Outcome(
        check.name, check.title, check.group, status, findings, flat(reason), check.why, check.source, check.remedy
    )
