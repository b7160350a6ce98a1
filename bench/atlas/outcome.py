"""What was seen in the image (`bench.atlas.inside`) becomes what is recorded: what it means, in the words seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.atlas.record import Attempt, Cause, Outcome, Unimported, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NETWORK = re.compile(
    r"Retrying \(Retry\(|ReadTimeoutError|connection-failed|connection-timeout|proxy-connection-failed"
    r"|ssl-verification-failed|Name or service not known|Temporary failure in name resolution|HTTP error [45]\d\d"
    r"|IncompleteRead|IncompleteDownload|incomplete-download"
)
"""What pip and its libraries say when an index or a file cannot be reached."""
UNREACHED = re.compile(
    r"urlopen error|URLError|ConnectionError|ConnectTimeout|ConnectionRefusedError|NameResolutionError|gaierror"
    r"|Could not resolve host|Name does not resolve"
)
"""What a build says when it cannot reach what it wants to download."""

CULPRITS = (
    re.compile(r"^ *ERROR: Failed building wheel for (?P<name>\S+)$", re.MULTILINE),
    re.compile(r"^ERROR: Failed to build '(?P<name>[\w.-]+)", re.MULTILINE),
    re.compile(r"metadata-generation-failed\n\n.*\n(?:╰─>|╰->|\s*\S+>)\s+(?P<name>[\w.-]+)"),
)
NOTHING_FITS = re.compile(r"^ERROR: No matching distribution found for (?P<name>[\w.-]+).*$", re.MULTILINE)
CONFLICT = re.compile(r"^ERROR: Cannot install .*$", re.MULTILINE)
VERSIONS = re.compile(r"^ERROR: Could not find a version that satisfies .*$", re.MULTILINE)
FETCHED = re.compile(r"^  (?:Downloading|Using cached) (\S+\.(?:whl|tar\.gz|zip|tar\.bz2))", re.MULTILINE)
CREATED = re.compile(r"^  Created wheel for (?P<name>\S+): filename=(?P<file>\S+)", re.MULTILINE)

TELLING = tuple(
    re.compile(words)
    for words in (
        r"unable to execute|command '.*' failed|[Uu]nknown compiler|[Nn]o (?:suitable|working) .*compiler",
        r"compiler (?:was )?not found|No CMAKE_\w+_COMPILER|linker `cc` not found|[Cc]ould not find .*compiler",
        r"[Cc]ompiler cannot create|need a C compiler|pg_config executable not found",
        r"[Cc]argo.* not (?:installed|found)|rustc",
        r"no prebuilt|No such file or directory: '|not found in PATH|is required to build|Failed to (?:find|locate)",
    )
)
"""What a build says when a compiler or tool is missing, the plainest first."""

CAUSES = (
    (re.compile(r"Error relocating|symbol not found|undefined symbol"), Cause.SYMBOL),
    (re.compile(r"Error loading shared library|cannot open shared object|\.so[.\d]*: .*No such file"), Cause.LIBRARY),
    (re.compile(r"ImproperlyConfigured|SettingsError|must be set|environment variable"), Cause.CONFIGURATION),
    (re.compile(r"cannot open display|no display|DISPLAY|X server|TclError"), Cause.DISPLAY),
    (re.compile(r"ConnectionRefused|Connection refused|could not connect"), Cause.SERVICE),
    (re.compile(r"^ModuleNotFoundError|No module named|\(unknown location\)"), Cause.MODULE),
)


class NetworkError(Exception):
    """The network failed, which says nothing about the package."""


def read_seen(seen: Mapping[str, Any], day: str) -> Attempt:
    """Return what happened to a package.

    Args:
        seen: What `bench.atlas.inside` wrote.
        day: When it did.

    Raises:
        NetworkError: The installation failed, and the network had failed before.
    """
    done = seen["install"]
    output, name = done["output"], normalise(seen["name"])
    files = {normalise(each): file for each, file in done["files"].items()}
    attempt = Attempt(
        name,
        day,
        Outcome.INSTALLED,
        files=dict(sorted(files.items())),
        built={normalise(each["name"]): each["file"] for each in CREATED.finditer(output)},
    )
    if done["status"] != 0:
        if NETWORK.search(output):
            raise NetworkError(_last_line(output))
        outcome, culprit, reason = refusal(done["status"], output)
        version = _version(files.get(name), name, output)
        unreached = outcome is Outcome.NOT_BUILT and bool(UNREACHED.search(reason))
        return replace(attempt, outcome=outcome, culprit=culprit, reason=reason, unreached=unreached, version=version)
    failed = [each for each in seen["imports"] if each["status"] != 0]
    return replace(
        attempt,
        version=seen["version"],
        modules=tuple(each["module"] for each in seen["imports"]),
        unimported=tuple(_unimported(each["module"], each["status"], each["output"]) for each in failed),
        unloaded=tuple(
            _unimported(each["library"].rpartition("/site-packages/")[2], 1, each["output"])
            for each in seen["unloadable"]
        ),
    )


def refusal(status: int | None, output: str) -> tuple[Outcome, str, str]:
    """Return why pip did not install: the outcome, the distribution that was at fault, and a line that says why.

    Args:
        status: pip's exit status; none where it was stopped.
        output: What it wrote.
    """
    if status is None:
        return Outcome.TOO_LONG, _building(output), _last_line(output)
    if found := NOTHING_FITS.search(output):
        versions = VERSIONS.search(output)
        return Outcome.NOTHING_FITS, normalise(found["name"]), _clean((versions or found)[0])
    if "ResolutionImpossible" in output:
        said = CONFLICT.search(output)
        return Outcome.CONFLICT, "", _clean(said[0] if said else _last_line(output, "ERROR:"))
    for pattern in CULPRITS:
        if found := pattern.search(output):
            return Outcome.NOT_BUILT, normalise(found["name"]), telling_line(output)
    return Outcome.FAILED, "", _clean(_last_line(output, "ERROR:"))


def telling_line(output: str) -> str:
    """Return the line of a failed build that says best what was missing; the build's last line where none does."""
    lines = [_clean(line) for line in output.splitlines() if line.startswith(("  ", "\t")) and line.strip()]
    for words in TELLING:
        if found := [line for line in lines if words.search(line)]:
            return found[-1]
    marks = [number for number, line in enumerate(lines) if line.startswith("[end of output]")]
    return lines[marks[0] - 1] if marks and marks[0] else _clean(_last_line(output))


def cause_of(status: int | None, text: str) -> Cause:
    """Return why a module could not be imported.

    Args:
        status: The exit status of the process that tried, negative for a signal; none where it was stopped.
        text: The last line that it wrote.
    """
    if status is None:
        return Cause.TOO_LONG
    if status < 0 or status > 128:
        return Cause.CRASH
    return next((cause for words, cause in CAUSES if words.search(text)), Cause.OTHER)


def _unimported(what: str, status: int | None, output: str) -> Unimported:
    text = _clean(_last_line(output))
    return Unimported(what, cause_of(status, text), text or f"exit status {status}")


def _version(file: str | None, name: str, output: str) -> str:
    """Return the version in the name of the file that pip had for a distribution, which it may have fetched only."""
    files: Iterable[str] = [file] if file else FETCHED.findall(output)
    for each in files:
        stem = re.sub(r"\.(whl|tar\.gz|tar\.bz2|zip)$", "", each)
        parts = stem.split("-") if each.endswith(".whl") else stem.rsplit("-", 1)
        if len(parts) > 1 and normalise(parts[0]) == name:
            return parts[1]
    return ""


def _building(output: str) -> str:
    found = re.findall(r"^(?:Collecting|  Building wheel for) ([\w.-]+)", output, re.MULTILINE)
    return normalise(found[-1]) if found else ""


def _last_line(text: str, start: str = "") -> str:
    lines = [line for line in text.splitlines() if line.strip() and line.startswith(start)]
    return lines[-1] if lines else ""


def _clean(line: str) -> str:
    line = re.sub(r"/tmp/pip-[\w/.-]+/", "…/", " ".join(line.split()))  # its folders have random names
    return line.removeprefix("ERROR: ").removeprefix("error: ")[:300]
