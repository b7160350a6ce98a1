"""The record and what `check` said become a page for the documentation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from bench.atlas.compare import Said, by_distribution, differences, read_verdicts
from bench.atlas.record import FOLDER, Attempt, Head, Outcome, Unimported, read_names, read_record
from bivy.files import write_whole
from bivy.musl.report import Answer, Verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

NOTES = FOLDER / "notes.toml"
PAGE = FOLDER.parents[1] / "docs" / "atlas.md"

INTRODUCTION = """\
# The atlas: {count} much-downloaded packages on musl

Each of {count} packages that are much downloaded from the Python package index was installed in the image
`{image}` as a Dockerfile would (`pip install NAME`, no compiler), and each module that it provides was imported
in a process of its own. `bivy check NAME` had been asked whether that would work. This page has both, package by
package, and [every one where they differ](#where-the-two-differ), with why.

Made on {days} by `python -m bench.atlas install`, `compare` and `page`, which can be run again. The image is
{digest}, with Python {python}, pip {pip}, for {machine}.
"""
MEANING = """\
A verdict agrees when what it said is what happened: that the package could be installed without a compiler and
imported; or that it could not, with the distribution that was in the way, which may be one that it requires. (Whether
something that was not built would have been with a compiler is not tried here.)
"Not found out" never agrees. What is not held against a verdict are modules that could not be imported for a
reason that has nothing to do with musl or the image; they are [listed too](#not-imported-whatever-the-platform).
"""


class Notes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person wrote about packages, by name, in Markdown.

    Attributes:
        differs: Why what happened is not what `check` said.
        remarks: What is to be known of a refusal.
        imports: What is to be known of modules that could not be imported, or libraries that could not be loaded.
    """

    differs: dict[str, str] = msgspec.field(default_factory=dict)
    remarks: dict[str, str] = msgspec.field(default_factory=dict)
    imports: dict[str, str] = msgspec.field(default_factory=dict)


def page(told: argparse.Namespace) -> None:
    """Write the page."""
    head, attempts = read_record(told.record)
    if head is None:
        raise SystemExit("nothing is recorded yet: python -m bench.atlas install")
    names = [name for name in read_names(told.names) if name in attempts]
    notes = msgspec.toml.decode(told.notes.read_bytes(), type=Notes) if told.notes.exists() else Notes()
    verdicts = read_verdicts(told.verdicts)
    if not verdicts:
        raise SystemExit("check has not been asked yet: python -m bench.atlas compare")
    text = draw(head, {name: attempts[name] for name in names}, verdicts, notes)
    write_whole(told.page, text.encode())
    print(f"{told.page}: {len(names)} packages")
    different = dict(differences({name: attempts[name] for name in names}, verdicts))
    if missing := different.keys() - notes.differs.keys():
        print(f"not explained in {told.notes}: {', '.join(sorted(missing))}")
    if verdicts and (stale := notes.differs.keys() - different.keys()):
        print(f"explained in {told.notes}, and no longer different: {', '.join(sorted(stale))}")


def draw(head: Head, attempts: Mapping[str, Attempt], verdicts: Mapping[str, Said], notes: Notes | None = None) -> str:
    """Return the page.

    Args:
        head: Where it all happened.
        attempts: What happened, by name, in the order of the table.
        verdicts: What `check` said, by name.
        notes: What a person wrote.
    """
    notes = notes or Notes()
    different = dict(differences(attempts, verdicts))
    days = sorted({attempt.day for attempt in attempts.values()})
    parts = [
        INTRODUCTION.format(
            count=len(attempts),
            image=head.image,
            days=" to ".join(dict.fromkeys((days[0], days[-1]))),
            digest=f"`{head.digest[:19]}…`",
            python=head.python,
            pip=head.pip,
            machine=head.machine,
        ),
        *_figures(attempts, verdicts, different),
        MEANING,
        *_in_the_way(attempts, notes.remarks),
        "## Package by package\n",
        _table(("package", "version", "`bivy check`", "in the image"), _rows(attempts, verdicts, different)),
        "## Where the two differ\n",
        *_differences(attempts, different, notes.differs),
        *_unimported(attempts, notes.imports),
    ]
    return "\n".join(parts)


def _figures(
    attempts: Mapping[str, Attempt], verdicts: Mapping[str, Said], different: Mapping[str, str]
) -> Iterator[str]:
    installed = [attempt for attempt in attempts.values() if attempt.outcome is Outcome.INSTALLED]
    refused = Counter(attempt.outcome for attempt in attempts.values())
    imported = [attempt for attempt in installed if not attempt.unimported]
    built = [attempt for attempt in installed if attempt.built]
    compared = [name for name in attempts if name in verdicts]
    alike = len(compared) - len(different)
    rows = [
        ("packages", str(len(attempts))),
        ("installed without a compiler", str(len(installed))),
        ("of these, with all their modules imported", str(len(imported))),
        ("of these, with something built from source on the way", str(len(built))),
        ("refused: a source archive could not be built", str(refused[Outcome.NOT_BUILT])),
        ("refused: no version fits", str(refused[Outcome.NOTHING_FITS] + refused[Outcome.CONFLICT])),
        ("refused otherwise", str(refused[Outcome.TOO_LONG] + refused[Outcome.FAILED])),
    ]
    if compared:
        share = f"{100 * alike / len(compared):.1f} %"
        same, total, _ = by_distribution(attempts, verdicts)
        rows.append(("**`bivy check` said what happened**", f"**{alike} of {len(compared)}, {share}**"))
        rows.append(("the same, distribution by distribution, dependencies included", f"{same} of {total}"))
    yield _table(("what", "how many"), rows)


def _in_the_way(attempts: Mapping[str, Attempt], remarks: Mapping[str, str]) -> Iterator[str]:
    refused = [attempt for attempt in attempts.values() if attempt.outcome is not Outcome.INSTALLED]
    if not refused:
        return
    yield "## What could not be installed without a compiler\n"
    yield _table(
        ("package", "in the way", "what was said"),
        [(f"`{each.name}`", f"`{each.culprit or each.name}`", _text(each.reason)) for each in refused],
    )
    for each in refused:
        if each.name in remarks:
            yield f"**`{each.name}`**: {remarks[each.name].strip()}\n"
        elif each.unreached:
            yield f"**`{each.name}`**: its build wanted something from the network that could not be had here.\n"


def _rows(
    attempts: Mapping[str, Attempt], verdicts: Mapping[str, Said], different: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    for name, attempt in attempts.items():
        said = _said(verdicts[name]) if name in verdicts else "not asked"
        mark = " [differs](#where-the-two-differ)" if name in different else ""
        yield f"`{name}`", attempt.version, said + mark, _happened(attempt)


def _said(said: Said) -> str:
    if said.answer is Answer.UNKNOWN:
        return "not found out"
    if not said.in_the_way:
        return "does not work" if said.errors else "works"
    words = {Verdict.COMPILE: "has to be compiled", Verdict.IMPOSSIBLE: "cannot be had"}
    return "; ".join(
        f"{', '.join(f'`{name}`' for name, each in said.in_the_way.items() if each is verdict)} {text}"
        for verdict, text in words.items()
        if verdict in said.in_the_way.values()
    )


def _happened(attempt: Attempt) -> str:
    if attempt.outcome is not Outcome.INSTALLED:
        culprit = f" (`{attempt.culprit}`)" if attempt.culprit not in ("", attempt.name) else ""
        return f"{attempt.outcome}{culprit}"
    parts = ["installed"]
    if attempt.built:
        parts = [f"installed, {', '.join(f'`{name}`' for name in attempt.built)} from source"]
    if not attempt.modules:
        parts.append("has no modules")
    elif attempt.unimported:
        parts.append(f"{len(attempt.unimported)} of {len(attempt.modules)} modules not imported")
    else:
        parts.append("imported")
    return ", ".join(parts)


def _differences(
    attempts: Mapping[str, Attempt], different: Mapping[str, str], reasons: Mapping[str, str]
) -> Iterator[str]:
    if not different:
        yield "Nowhere.\n"
    for name, text in different.items():
        yield f"**`{name}` {attempts[name].version}**: {_text(text)}\n"
        yield f"> {reasons.get(name, 'Not explained yet.').strip()}\n"


def _unimported(attempts: Mapping[str, Attempt], remarks: Mapping[str, str]) -> Iterator[str]:
    of_the_image = [
        (each, failed) for each in attempts.values() for failed in each.unimported if failed.cause.of_the_image
    ]
    ordinary = [
        (each, failed) for each in attempts.values() for failed in each.unimported if not failed.cause.of_the_image
    ]
    libraries = [(each, failed) for each in attempts.values() for failed in each.unloaded]
    if of_the_image:
        yield "## Not imported, because of musl or the image\n"
        yield from _failures(of_the_image, "module", remarks)
    if ordinary:
        yield "## Not imported, whatever the platform\n"
        yield from _failures(ordinary, "module", remarks)
    if libraries:
        yield "## Shared libraries that could not be loaded\n"
        yield "Each was loaded by itself, in a process that had the modules of its distribution already.\n"
        yield from _failures(libraries, "library", remarks)


def _failures(failures: Sequence[tuple[Attempt, Unimported]], what: str, remarks: Mapping[str, str]) -> Iterator[str]:
    rows = [(f"`{each.name}`", f"`{it.what}`", str(it.cause), _text(it.text)) for each, it in failures]
    yield _table(("package", what, "wants", "what was said"), rows)
    for name in dict.fromkeys(each.name for each, _ in failures):
        if name in remarks:
            yield f"**`{name}`**: {remarks[name].strip()}\n"


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(text: str) -> str:
    """Return text of a program's as it is to be read on the page."""
    for character in ("\\", "|", "<", "*", "_", "`", "[", "]"):
        text = text.replace(character, "\\" + character)
    return text
