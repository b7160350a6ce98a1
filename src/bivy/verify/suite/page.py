"""The page of the suite, docs/suite.md, made from what is known to fail and from the figures of the last whole run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.files import write_whole
from bivy.verify.suite.known import Known, read_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.verify.suite.report import SuiteReport

PAGE = Path(__file__).parents[4] / "docs" / "suite.md"
"""Where the page is in a checkout."""
FIGURES = Path(__file__).parent / "figures.json"
"""Where the figures are kept, by series of Python."""

_INTRODUCTION: Final = """\
# CPython's own tests, in the image

Written by `python -m bivy.verify.suite REF --record`; its text is in `src/bivy/verify/suite/page.py`, what is known to
fail in `src/bivy/verify/suite/known.toml`. Do not change it by hand.

```console
$ python -m bivy.verify.suite python:3.14-alpine                       # all of it, 10 to 15 minutes on two cores
$ python -m bivy.verify.suite python:3.14-alpine test_os test_asyncio  # some files
$ python -m bivy.verify.suite python:3.14-alpine --resume              # go on after Ctrl-C
```

It exits 1 where a test fails, crashes, takes too long, or a whole file of tests is skipped, and that is not on the list
below. What is on the list and passes is pointed out.

## How it runs

The tests are those of the source that the image's Python was built from, in its exact version, with the pinned digest:
`Lib/test` is laid over the image's files, which have no tests. Each file of tests has a sandbox of its own, made as
`bivy run` makes one: the image, an ordinary user, a file system in memory for `/tmp`, no network but loopback, a name
in `/etc/hosts`, the image's own environment, and `TERM=xterm`. Before, everything is compiled, so that a
test's time is not spent on that; the bytecode is laid over the image as well, and gone afterwards.

It is an ordinary user, though images start as root, since root skips tests; and since a sandbox's root has no other
user to give files to, which tests of root's take for granted.

CPython's own runner, regrtest, runs a file at a time, with Python's options as on CPython's build machines (`-W default
-bb`), ten minutes for each, and the resources `curses`, `decimal`, `subprocess`, `tzdata` and `walltime`;
`test_socketserver` gets `network` too, by which it means loopback. A small program beside it writes down what comes of
each test when it is known, so that after a crash it is said which test was under way. What fails and is not known to is
run again, alone, after all others, as regrtest does with `--rerun`; that it then passed is said.

What each file wrote is kept in the cache, in `suite/` and the digest of the image.
"""

_FIGURES: Final = """\
## Figures

| | {series} |
| --- |{rules}
"""

_ROWS: Final = (
    ("version", "CPython"),
    ("platform", "platform"),
    ("date", "run on"),
    ("minutes", "minutes, on two cores, at a low priority"),
    ("files", "files of tests"),
    ("files_run", "of these run"),
    ("files_skipped", "of these skipped, as known"),
    ("tests_run", "tests run"),
    ("tests_passed", "passed"),
    ("failed_as_known", "failed as known"),
    ("failed_otherwise", "failed otherwise"),
    ("passed_when_run_again", "failed once, and passed when run again alone"),
    ("tests_skipped", "tests skipped"),
    ("tests_skipped_for_modules", "of these for want of modules that only tests use"),
)

_MODULES: Final = """\
The image has no `_testcapi`, `_testinternalcapi` and the like: modules that only these tests use, and that would be of
no use to anybody in it. For want of them {files} whole files are skipped, and in others the tests counted above. That
part of the suite, the C API first of all, is not shown to pass on musl. For that, the modules would have to be built by
the same recipe as a package beside the image.
"""

_KNOWN: Final = """\
## What is known to fail, or to be skipped

`*` in a test's name stands for anything. What fails with other words than it is known to is another failure.
"""

_BECAUSE: Final = {
    "musl": "Because of musl",
    "image": "Because of how the image is made",
    "sandbox": "Because of the sandbox that the tests run in",
    "python": "On every Linux where CPython is installed",
}

_HOW: Final = {
    "failed": "Fail",
    "crashed": "Crash",
    "timed out": "Take too long",
    "skipped": "Files that are skipped",
    "left out": "Never run",
}


class Figures(msgspec.Struct, frozen=True):
    """What was counted in the last whole run for a series of Python; the names are those of `SuiteReport.figures`."""

    version: str
    image: str
    digest: str
    platform: str
    date: str
    seconds: float
    files: int
    files_run: int
    files_skipped: int
    tests_run: int
    tests_passed: int
    tests_skipped: int
    tests_skipped_for_modules: int
    failed_as_known: int
    failed_otherwise: int
    skipped_otherwise: int
    passed_when_run_again: int

    @property
    def minutes(self) -> float:
        """How long it took, in minutes."""
        return round(self.seconds / 60, 1)


def read_figures(path: Path = FIGURES) -> dict[str, Figures]:
    """Return the figures of the last whole runs, by series (``3.14``); none where there are none."""
    if not path.is_file():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Figures])


def figures_of(report: SuiteReport) -> Figures:
    """Return the figures of a run."""
    about = {name: getattr(report, name) for name in ("version", "image", "digest", "platform", "date", "seconds")}
    return msgspec.convert({**about, **report.figures()}, Figures)


def write_figures(report: SuiteReport, path: Path = FIGURES, page: Path = PAGE) -> None:
    """Keep the figures of a whole run in place of those of its series, and write the page anew.

    Raises:
        OSError: The files cannot be written.
    """
    series = ".".join(report.version.split(".")[:2])
    kept = read_figures(path) | {series: figures_of(report)}
    write_whole(path, msgspec.json.format(msgspec.json.encode(dict(sorted(kept.items())))) + b"\n")
    write_whole(page, render(read_known(), kept).encode())


def render(known: Sequence[Known], figures: Mapping[str, Figures]) -> str:
    """Return the page.

    Args:
        known: What is known to fail.
        figures: What was counted, by series.
    """
    parts = [_INTRODUCTION]
    if figures:
        parts += [_table(figures), _wrapped(_MODULES.format(files=_without_modules(known)))]
    parts.append(_KNOWN)
    for because, title in _BECAUSE.items():
        entries = [entry for entry in known if entry.because == because]
        parts.append(f"### {title}\n")
        parts += [_entry(entry) for entry in entries] or ["Nothing.\n"]
    return "\n".join(parts)


def _without_modules(known: Sequence[Known]) -> int:
    """Count the files that are skipped since CPython's test modules are missing."""
    return sum(len(entry.tests) for entry in known if entry.how == "skipped" and "116303" in entry.issue)


def _table(figures: Mapping[str, Figures]) -> str:
    columns = list(figures.items())
    lines = [
        _FIGURES.format(series=" | ".join(series for series, _ in columns), rules=" --- |" * len(columns)).rstrip()
    ]
    lines[0] = lines[0].replace(f"| {columns[-1][0]}\n", f"| {columns[-1][0]} |\n")
    for name, title in _ROWS:
        cells = [_cell(getattr(each, name)) for _, each in columns]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    return text[:10] if text.endswith("Z") else text


def _entry(entry: Known) -> str:
    where = f" Python {' and '.join(entry.series)}." if entry.series else ""
    when = " Not always." if entry.sometimes else ""
    issue = f" ([{_short(entry.issue)}]({entry.issue}))" if entry.issue else ""
    names = ", ".join(f"`{test}`" for test in entry.tests)
    return _wrapped(f"{_HOW[entry.how]}: {names}") + "\n" + _wrapped(f"{entry.reason}{where}{when}{issue}")


def _short(address: str) -> str:
    found = address.rpartition("/")
    return f"gh-{found[2]}" if "github.com/python/cpython" in address else found[2]


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    write_whole(PAGE, render(read_known(), read_figures()).encode())
