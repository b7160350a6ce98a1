"""The page of the rules, made from their data."""

from __future__ import annotations

import textwrap
from pathlib import Path

from bivy.musl.code.rules import CodeRule, load_rules
from bivy.musl.report import Severity

PAGE = Path(__file__).parents[4] / "docs" / "check-code.md"
"""Where the page is in a checkout."""

INTRODUCTION = """\
# What `bivy check` looks for in your code

Written by `python -m bench.check_code --record` from `src/bivy/musl/code/rules/`; do not change it by hand.

`bivy check` reads Python code and never runs it. Each rule below is about something that works otherwise on musl than
on glibc, or that the image `python:3.14-alpine` does not have. The programs under "To see it" are run by bivy's tests
in the image, and on glibc where the outcome there does not depend on the machine: they print what is shown here.

An `error` does not work; a `warning` works otherwise, or only once something is added to the image; a `note` is worth
knowing. A finding becomes a note where the code handles the exception that it would meet, or asks first
(`shutil.which`, `hasattr`). Code that no Linux reaches (`if sys.platform == "win32":`), or no Python that you ask about
(`sys.version_info`), is passed over.

To silence a finding, write on a line of its statement, with a reason:

```python
os.environ["TZ"] = "EST5EDT"  # bivy: ok[time-zone-without-rule] the tests want exactly this
```

Several rules go into the bracket with commas between. Without a reason the finding counts. A comment that silences
nothing is pointed out.

Nothing is said of `time.strptime` and `datetime.strptime`, which are Python's own and the same everywhere, nor of
`ctypes.CDLL("libc.so.6")` as such: musl's loader takes that name, and `libm.so.6`, `libpthread.so.0`, `libdl.so.2` and
`librt.so.1`, for itself.
"""


def page() -> str:
    """Return the page, in Markdown."""
    rules = load_rules()
    table = ["| rule | | |", "| --- | --- | --- |"]
    table += [f"| [`{rule.name}`](#{rule.name}) | {rule.severity} | {rule.title} |" for rule in _worst_first(rules)]
    return "\n".join([INTRODUCTION, *table, "", *(section for rule in rules for section in _section(rule))])


def _worst_first(rules: tuple[CodeRule, ...]) -> list[CodeRule]:
    return sorted(rules, key=lambda rule: list(Severity).index(rule.severity))


def _section(rule: CodeRule) -> list[str]:
    lines = [f"## {rule.name}", "", f"**{rule.title}** ({rule.severity}{', a guess' if rule.guess else ''})", ""]
    lines += [*_filled(rule.why), "", *_filled(rule.instead), ""]
    if rule.since != "3.0":
        lines += [f"True from Python {rule.since} on.", ""]
    lines += ["Found:", "", *_code(rule.fails), "Not found:", "", *_code(rule.passes)]
    if rule.unshown:
        lines += [*_filled(f"No program shows this: {rule.unshown}"), ""]
    else:
        lines += ["To see it:", "", *_code(rule.program)]
        lines += [f"The image prints `{_line(rule.musl)}`" + _glibc(rule) + ".", ""]
    return lines + ([f"See {rule.source}", ""] if rule.source else [])


def _glibc(rule: CodeRule) -> str:
    return "" if rule.glibc is None else f", glibc `{_line(rule.glibc)}`"


def _line(printed: str) -> str:
    return " / ".join(printed.strip().splitlines()) or " "


def _code(code: str) -> list[str]:
    return ["```python", code.strip(), "```", ""]


def _filled(prose: str) -> list[str]:
    return textwrap.wrap(" ".join(prose.split()), 120, break_long_words=False, break_on_hyphens=False)
