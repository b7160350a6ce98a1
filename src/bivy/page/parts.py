"""The files of a page's folder: each a template filled with facts, and the README made of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bivy.errors import UsageError
from bivy.images.definition import load_image
from bivy.page.data import MOST_SHORT, official_image, python_in_general
from bivy.page.markdown import clip, code, prose, table
from bivy.page.verified import VERIFIED, write_verified
from bivy.units import spell_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from bivy.page.data import About, Compared, Figure, Publisher
    from bivy.page.facts import Facts
    from bivy.page.verified import Outcome, Verified

_FOLDER: Final = Path(__file__).parent
TEMPLATES: Final = _FOLDER / "templates"
"""The folder of the templates."""
LOGO: Final = _FOLDER / "logo.svg"
_LARGEST: Final = 10
_MOST_FINDINGS: Final = 3
# The files that the README is made of, by what its template calls them.
_PARTS: Final = {
    "maintainer": "maintainer.md", "help": "get-help.md", "issues": "issues.md", "content": "content.md",
    "variant": "variant-alpine.md", "license": "license.md",
}  # fmt: skip
_STATUSES: Final = ("failed", "passed", "skipped", "left out")


def make_files(facts: Facts, publisher: Publisher, verified: Verified | None) -> dict[str, bytes]:
    """Make the files of a page's folder, by name; the same facts give the same bytes.

    They are those of docker-library/docs, whose README explains them.

    Args:
        facts: What there is to say of the image.
        publisher: What its publisher says.
        verified: What it passed; `None` where nobody checked it.
    """
    about = python_in_general() if facts.is_python else None
    texts = _texts(facts, publisher, verified, about)
    short = publisher.short or (about.short.format(minor=facts.minor) if about else facts.description) or facts.name
    categories = publisher.categories or (about.categories if about else ())
    files = {
        **{name: text.encode() for name, text in texts.items()},
        "README-short.txt": f"{clip(short, MOST_SHORT)}\n".encode(),
        "metadata.json": f"{json.dumps({'hub': {'categories': sorted(set(categories))}}, indent=2)}\n".encode(),
        "logo.svg": LOGO.read_bytes(),
    }
    if publisher.repository:
        files["github-repo"] = f"{publisher.repository}\n".encode()
    if verified:
        files[VERIFIED] = write_verified(verified)
    return dict(sorted(files.items()))


def _texts(facts: Facts, publisher: Publisher, verified: Verified | None, about: About | None) -> dict[str, str]:
    environment = _environment()
    known = _known(facts, publisher, verified, about)
    texts = {
        name: _filled(environment, name, known)
        for part, name in _PARTS.items()
        if part != "variant" or (about and facts.musl)
    }
    parts = {part: texts.get(name, "").strip() for part, name in _PARTS.items()}
    readme = _filled(environment, "README.md", {**known, "parts": parts})
    return {**texts, "README.md": readme.replace("%%LOGO%%", "![logo](logo.svg)").replace("%%IMAGE%%", facts.name)}


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # noqa: S701 - it is Markdown; what comes from elsewhere goes through `markdown.py`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["prose"] = prose
    return environment


def _filled(environment: Environment, name: str, known: Mapping[str, Any]) -> str:
    text = environment.get_template(name).render(known)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _known(facts: Facts, publisher: Publisher, verified: Verified | None, about: About | None) -> dict[str, Any]:
    """Return all that templates may name."""
    official = official_image()
    compared = facts.is_bivys and about and facts.minor == official.python and facts.platform == official.platform
    return {
        "facts": facts, "about": _in_series(about, facts.minor), "official": official,
        "tag": f":{facts.tag}" if facts.tag else "",
        "size": spell_size, "prose": prose, "code": code,
        "maintainer": publisher.maintainer, "help": publisher.help, "licence": publisher.licence,
        "issues": publisher.issues or (f"{publisher.repository}/issues" if publisher.repository else ""),
        "vulnerabilities": _vulnerabilities(publisher, about),
        "tag_list": _tag_list(facts, publisher),
        "architectures": ", ".join(code(each.platform) for each in facts.platforms),
        "missing": ", ".join(code(name) for name in facts.missing),
        "fact_table": _fact_table(facts), "layer_table": _layer_table(facts), "largest_table": _largest_table(facts),
        "package_table": _package_table(facts), "distribution_table": _distribution_table(facts),
        "verified": verified,
        "passed_sentence": _passed_sentence(verified) if verified else "",
        "verified_table": _verified_table(verified) if verified else "",
        "figure_table": _figure_table(facts, official) if compared else "",
        "version_table": _version_table(facts, official) if compared else "",
    }  # fmt: skip


def _in_series(about: About | None, minor: str) -> Mapping[str, str] | None:
    if about is None:
        return None
    return {
        name: value.replace("{minor}", minor)
        for name in about.__struct_fields__
        if isinstance(value := getattr(about, name), str)
    }


def _vulnerabilities(publisher: Publisher, about: About | None) -> str:
    told = publisher.vulnerabilities
    ours = f"<{told}>" if re.fullmatch(r"https?://\S+", told) else told or "To whoever published this image, in private"
    return f"{ours}; one in {about.name} itself [to its makers]({about.vulnerabilities})" if about else ours


def _tag_list(facts: Facts, publisher: Publisher) -> str:
    if facts.is_python and facts.is_bivys:
        tags = _tags(facts)
        command = f"bivy build {facts.minor}" + (f" --alpine {facts.alpine}" if facts.alpine else "")
    else:
        tags = (facts.tag,) if facts.tag else ()
        command = "bivy app" if any(layer.created_by.startswith("bivy app:") for layer in facts.layers) else ""
    names = ", ".join(code(tag) for tag in tags) or "None: it is named by its digest"
    by = f"`{command}`" if command else "whoever published it; the image does not say how"
    place = f", from [{prose(publisher.repository)}]({publisher.repository})" if publisher.repository else ""
    return f"-\t{names}: built by {by}{place}"


def _tags(facts: Facts) -> tuple[str, ...]:
    """Return the tags that the image may claim; none where what it says of its Python is no version."""
    from bivy.tags.built import known_versions
    from bivy.tags.rules import tag_names

    try:
        return tag_names(facts.python, facts.alpine, known=known_versions(load_image("python")))
    except UsageError:
        return ()


def _fact_table(facts: Facts) -> str:
    rows = [
        ("Python", prose(facts.python)), ("C library", prose(f"musl {facts.musl}" if facts.musl else "")),
        ("System", prose(facts.system)), ("For", code(facts.platform)), ("Digest", code(facts.digest)),
        ("Made", prose(facts.created)),
        ("Size", f"{spell_size(facts.size)} compressed, {spell_size(facts.unpacked)} on disk"),
        ("Command", code(facts.command)), ("User", code(facts.user)), ("Folder", code(facts.working_dir)),
        ("Listens on", ", ".join(code(port) for port in facts.ports)),
        *((code(name), code(value)) for name, value in facts.environment.items()),
    ]  # fmt: skip
    return table(("", ""), [row for row in rows if row[1]])


def layer_name(created_by: str, number: int) -> str:
    """Return what to call a layer: what bivy calls it, else its number from the lowest."""
    found = re.match(r"bivy (?:build|app): ([^:]{1,60}?)(?::|$)", created_by)
    return found[1] if found else f"layer {number}"


def _layer_table(facts: Facts) -> str:
    rows = [
        (
            prose(layer_name(layer.created_by, number), 60),
            spell_size(layer.size),
            spell_size(layer.unpacked),
            f"{layer.files:,}",
        )
        for number, layer in enumerate(facts.layers, 1)
    ]
    return table(("layer", "download", "on disk", "files"), rows, (1, 2, 3))


def _largest_table(facts: Facts) -> str:
    largest = sorted(facts.files, key=lambda file: (-file.size, file.path))[:_LARGEST]
    rows = [(code(f"/{file.path}"), code(file.package), spell_size(file.size)) for file in largest if file.size]
    return table(("file", "package", "on disk"), rows, (2,)) if rows else ""


def _package_table(facts: Facts) -> str:
    rows = [
        (code(package.name), prose(package.version), prose(package.license), spell_size(package.unpacked),
         spell_size(package.compressed), prose(package.description))
        for package in facts.packages
    ]  # fmt: skip
    return table(("package", "version", "licence", "on disk", "download", "what it is"), rows, (3, 4))


def _distribution_table(facts: Facts) -> str:
    rows = [
        (code(one.name), prose(one.version), prose(one.license), spell_size(one.size)) for one in facts.distributions
    ]
    return table(("distribution", "version", "licence", "on disk"), rows, (3,)) if rows else ""


def _passed_sentence(verified: Verified) -> str:
    made = [outcome for outcome in verified.outcomes if outcome.status in ("passed", "failed")]
    passed = len(verified.having("passed"))
    rest = len(verified.outcomes) - len(made)
    said = f"it passes all {passed}" if passed == len(made) else f"it passes {passed} of {len(made)}"
    return f"{said}." if not rest else f"{said}; {rest} could not be made here or were left out."


def _verified_table(verified: Verified) -> str:
    rows = [
        (prose(one.title, 300), prose(one.group), _outcome(one))
        for status in _STATUSES
        for one in verified.having(status)
    ]
    return table(("what holds", "kind", "outcome"), rows)


def _outcome(one: Outcome) -> str:
    """Say what came of a check: in a word, why or how far, and when where it was another day."""
    more = [*one.findings[:_MOST_FINDINGS], one.reason]
    if len(one.findings) > _MOST_FINDINGS:
        more.insert(_MOST_FINDINGS, f"and {len(one.findings) - _MOST_FINDINGS} more")
    said = "; ".join(prose(text) for text in more if text)
    return one.status + (f": {said}" if said else "") + (f" ({prose(one.date[:10])})" if one.date else "")


def _figure_table(facts: Facts, official: Compared) -> str:
    rows = [_figure_row(facts, figure) for figure in official.figures]
    return table(("", "this image", official.title, "ratio", "measured", "when"), rows, (1, 2, 3))


def _figure_row(facts: Facts, figure: Figure) -> Sequence[str]:
    own: int | str = {"size": facts.size, "unpacked": facts.unpacked, "packages": len(facts.packages)}.get(
        figure.own, figure.own
    )
    spell = spell_size if figure.own in ("size", "unpacked") else str
    both = isinstance(own, int) and isinstance(figure.other, int) and figure.other
    ratio = f"{own / figure.other:.2f}" if both else ""  # type: ignore[operator]
    return figure.what, spell(own), spell(figure.other), ratio, figure.measured, figure.when  # type: ignore[arg-type]


def _version_table(facts: Facts, official: Compared) -> str:
    own = {package.name: re.sub(r"-r\d+$", "", package.version) for package in facts.packages}
    rows = [
        (code(name), prose(own[name]), version)
        for name, version in sorted(official.packages.items())
        if name in own and own[name] != version
    ]
    return table(("package", "this image", official.title), rows) if rows else ""
