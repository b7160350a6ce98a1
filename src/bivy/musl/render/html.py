"""A report as one page of HTML that needs nothing beside it: no network, no script."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bivy import __version__
from bivy.musl.render import summary
from bivy.musl.render.tree import lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bivy.musl.render.summary import Named
    from bivy.musl.report import Report

FOLDER = Path(__file__).parent
"""The folder of the templates, with `base.css`, which other pages of bivy start from, too."""


def as_html(report: Report) -> str:
    """Return a report as a page.

    Everything that comes from elsewhere is escaped, and the page's own policy lets nothing be loaded and no script run
    but the page's own, which only folds, filters and copies.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,  # what is included has to be as it was when its digest was taken
        lstrip_blocks=True,
        finalize=_clean,
    )
    found = report.found
    named = summary.by_name(found.distributions)
    base, style, script = ((FOLDER / name).read_text("utf-8") for name in ("base.css", "page.css", "page.js"))
    return environment.get_template("page.html").render(
        report=report,
        found=found,
        version=__version__,
        sentence=summary.sentence(report),
        counts=summary.counts(found.distributions),
        weights=summary.weights(found.findings),
        meaning=summary.MEANING,
        to_look_at=summary.TO_LOOK_AT,
        named=named,
        guesses=sum(one.guess for one in named) + sum(finding.guess for finding in found.findings),
        branches=lay_out(named),
        files=summary.by_file(found.findings),
        steps=summary.steps(report),
        targets=summary.describe_targets(report.targets),
        anchors=_anchors(named),
        where=lambda targets: summary.spell_targets(targets, report.targets) if targets else "",
        needs=summary.spell_needs,
        place=summary.spell_place,
        asked=summary.spell_asked,
        split_code=summary.split_code,
        split_source=summary.split_source,
        style_digest=digest_for_policy(base + style),
        script_digest=digest_for_policy(script),
    )


def _anchors(named: Iterable[Named]) -> dict[str, str]:
    """Return an identifier for each name: the name itself where it is one."""
    return {
        one.name: one.name if re.fullmatch(r"[a-z0-9][-a-z0-9.]*", one.name) else f"_{number}"
        for number, one in enumerate(named)
    }


def _clean(value: object) -> object:
    # Markup, which is a string that is HTML already, comes from the template alone and stays.
    return summary.plain(value) if type(value) is str else value


def digest_for_policy(text: str) -> str:
    """Return what a content security policy knows an inline style or script by (CSP 3, 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
