"""Reports such as `check` makes: a project of some sixty distributions, small ones of each answer, and hostile ones."""

from __future__ import annotations

from types import MappingProxyType

from bivy.arch import ARCHES
from bivy.musl.report import (
    Distribution,
    Finding,
    Need,
    Part,
    Problem,
    Report,
    Rule,
    Severity,
    Silenced,
    Verdict,
)
from bivy.musl.target import Target, make_target

X86_64 = make_target("3.14", ARCHES["x86_64"], "1.2.6")
AARCH64 = make_target("3.14", ARCHES["aarch64"], "1.2.6")
OLDER = make_target("3.13", ARCHES["x86_64"], "1.2.6")
BOTH = (X86_64, AARCH64)

STRFTIME = Rule(
    "strftime-directive",
    "A strftime directive that only glibc has",
    Severity.ERROR,
    "musl's strftime knows the directives of POSIX and the flag + alone; what is glibc's comes out as it was written.",
    "Format the number itself, `f'{moment.day}'`,\nor strip the zero: `moment.strftime('%d').lstrip('0')`.",
    "https://pubs.opengroup.org/onlinepubs/9799919799/functions/strftime.html",
)
LIBC = Rule(
    "libc-by-name",
    "A library that is part of glibc",
    Severity.ERROR,
    "There is no libc.so.6 on musl.",
    "Load what is loaded already: `ctypes.CDLL(None)`",
    "https://wiki.musl-libc.org/functional-differences-from-glibc.html (Name Resolver/DNS)",
)
LOCALE = Rule(
    "locale",
    "Sorting by the rules of a language",
    Severity.WARNING,
    "musl has one locale's rules of sorting and of spelling numbers: those of C.",
    "Sort by a key of your own, or with PyICU.",
)
STACK = Rule(
    "thread-stack",
    "A deep recursion, where stacks are small",
    Severity.WARNING,
    "A thread has 128 KiB of stack on musl and 8 MiB on glibc.",
    "Ask for as much as is needed before the first thread starts: `threading.stack_size(8 << 20)`",
)
SYMBOL = Rule(
    "missing-symbol",
    "needs a symbol that nothing has",
    Severity.ERROR,
    "The library does not load where nothing provides the symbol.",
    "Take a wheel for musl, or compile the distribution from source.",
)
TIMEZONE = Rule(
    "timezone-data",
    "A time zone that the image does not know",
    Severity.NOTE,
    "The image has no time zones of its own; the distribution tzdata has them.",
    "Require `tzdata`",
)

# Wheels for musl, with what they require; those without a version of their own share one.
_MUSL = {
    "pydantic-core": "2.41.5", "orjson": "3.11.4", "cryptography": "46.0.3", "cffi": "2.0.0", "greenlet": "3.2.4",
    "psycopg-binary": "3.2.12", "uvloop": "0.22.1", "httptools": "0.7.1", "watchfiles": "1.1.1", "websockets": "15.0.1",
    "markupsafe": "3.0.3", "sqlalchemy": "2.0.44", "numpy": "2.3.5", "pandas": "2.3.3", "msgpack": "1.1.2",
    "aiohttp": "3.13.2", "frozenlist": "1.8.0", "multidict": "6.7.0", "yarl": "1.22.0", "propcache": "0.4.1",
    "pyyaml": "6.0.3", "lxml": "6.0.2",
}  # fmt: skip
_PURE = {
    "fastapi": "0.121.3", "starlette": "0.50.0", "pydantic": "2.12.4", "annotated-types": "0.7.0",
    "typing-extensions": "4.15.0", "typing-inspection": "0.4.2", "anyio": "4.11.0", "idna": "3.11", "sniffio": "1.3.1",
    "uvicorn": "0.38.0", "click": "8.3.1", "h11": "0.16.0", "httpx": "0.28.1", "httpcore": "1.0.9",
    "certifi": "2025.11.12", "jinja2": "3.1.6", "psycopg": "3.2.12", "alembic": "1.17.2", "mako": "1.3.10",
    "aiosignal": "1.4.0", "attrs": "25.4.0", "aiohappyeyeballs": "2.6.1", "pycparser": "2.23",
    "python-dateutil": "2.9.0.post0", "six": "1.17.0", "pytz": "2025.2", "tzdata": "2025.2", "rich": "14.2.0",
    "markdown-it-py": "4.0.0", "mdurl": "0.1.2", "pygments": "2.19.2",
}  # fmt: skip
_REQUIRES = {
    "fastapi": ("starlette", "pydantic", "typing-extensions"), "starlette": ("anyio",), "anyio": ("idna", "sniffio"),
    "pydantic": ("annotated-types", "pydantic-core", "typing-extensions", "typing-inspection"),
    "pydantic-core": ("typing-extensions",), "typing-inspection": ("typing-extensions",),
    "uvicorn": ("click", "h11", "httptools", "uvloop", "watchfiles", "websockets", "pyyaml"), "watchfiles": ("anyio",),
    "httpx": ("anyio", "certifi", "httpcore", "idna"), "httpcore": ("certifi", "h11"), "jinja2": ("markupsafe",),
    "psycopg": ("psycopg-binary", "typing-extensions", "tzdata"), "alembic": ("mako", "sqlalchemy"),
    "mako": ("markupsafe",), "sqlalchemy": ("greenlet", "typing-extensions"), "cryptography": ("cffi",),
    "cffi": ("pycparser",), "pandas": ("numpy", "python-dateutil", "pytz", "tzdata"), "python-dateutil": ("six",),
    "aiohttp": ("aiohappyeyeballs", "aiosignal", "attrs", "frozenlist", "multidict", "propcache", "yarl"),
    "yarl": ("idna", "multidict", "propcache"), "aiosignal": ("frozenlist",), "rich": ("markdown-it-py", "pygments"),
    "markdown-it-py": ("mdurl",),
}  # fmt: skip
_ASKED = {
    "fastapi", "uvicorn", "httpx", "jinja2", "psycopg", "alembic", "pandas", "aiohttp", "cryptography", "rich", "lxml",
    "orjson", "msgpack",
}  # fmt: skip


def _good(target: Target) -> list[Distribution]:
    tag = f"cp{target.python.replace('.', '')}"
    wheels = [
        Distribution(
            name, version, target, Verdict.MUSLLINUX, "There is a wheel for musl.",
            file=f"{name.replace('-', '_')}-{version}-{tag}-{tag}-musllinux_1_2_{target.arch.machine}.whl",
            requires=_REQUIRES.get(name, ()), asked=name in _ASKED,
        )
        for name, version in _MUSL.items()
    ]  # fmt: skip
    pure = [
        Distribution(
            name, version, target, Verdict.PURE, "There is a wheel for every platform.",
            file=f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
            requires=_REQUIRES.get(name, ()), asked=name in _ASKED,
        )
        for name, version in _PURE.items()
    ]  # fmt: skip
    return wheels + pure


def _troubled(target: Target) -> list[Distribution]:
    """Return the seven that are not simply there."""
    arm = target is AARCH64
    return [
        Distribution(
            "onnxruntime", "1.23.2", target, Verdict.IMPOSSIBLE,
            "There are only wheels for glibc, and no source archive.",
            evidence=(
                f"onnxruntime-1.23.2-cp314-cp314-manylinux_2_28_{target.arch.machine}.whl",
                "no version from 1.4.0 to 1.23.2 has anything else",
            ),
            advice=(
                "Do without it on musl: mark it in pyproject.toml: `onnxruntime; platform_machine == 'none'`",
                "Or take python:3.14-slim for the part that needs it",
            ),
            requires=("numpy",), asked=True,
        ),
        Distribution(
            "internal-billing", "", target, Verdict.UNKNOWN, "No index that was asked has it.",
            advice=("Name the index that has it: `bivy check . --index-url https://pypi.example.com/simple`",),
            asked=True,
        ),
        Distribution(
            "confluent-kafka", "2.12.2", target, Verdict.COMPILE,
            "There are only wheels for glibc; the source archive has C in it.",
            file="confluent_kafka-2.12.2.tar.gz",
            evidence=(
                f"confluent_kafka-2.12.2-cp314-cp314-manylinux_2_28_{target.arch.machine}.whl",
                "src/confluent_kafka/src/confluent_kafka.c",
            ),
            needs=(
                Need("compiler", "c", "a *.c file in the sdist"), Need("package", "librdkafka-dev", "bivy's list"),
            ),
            advice=("Compile it once, outside the image: bivy wheel confluent-kafka==2.12.2",), asked=True,
        ),
        Distribution(
            "pyodbc", "5.3.0", target, Verdict.COMPILE if arm else Verdict.MUSLLINUX,
            "There is a wheel for musl on x86_64 alone; the source archive has C++ in it." if arm
            else "There is a wheel for musl.",
            guess=arm, file="pyodbc-5.3.0.tar.gz" if arm else "pyodbc-5.3.0-cp314-cp314-musllinux_1_2_x86_64.whl",
            needs=(Need("compiler", "c++", "a *.cpp file in the sdist"), Need("package", "unixodbc-dev", "bivy's list"))
            if arm else (),
            advice=("Compile it once, outside the image: bivy wheel pyodbc==5.3.0",) if arm else (), asked=True,
        ),
        Distribution(
            "docopt", "0.6.2", target, Verdict.SOURCE, "There is no wheel; nothing in the source archive is compiled.",
            guess=True, file="docopt-0.6.2.tar.gz", needs=(Need("build", "setuptools", "no pyproject.toml"),),
            asked=True,
        ),
        Distribution(
            "pycurl", "7.45.7", target, Verdict.BUILT, "bivy compiled it for musl earlier.",
            file=f"pycurl-7.45.7-cp314-cp314-linux_{target.arch.machine}.whl", asked=True,
        ),
        Distribution(
            "celery", "5.5.3", target, Verdict.PURE, "There is a wheel for every platform.",
            file="celery-5.5.3-py3-none-any.whl", requires=("billiard", "click", "celery"), asked=True,
        ),
    ]  # fmt: skip


FINDINGS = (
    Finding(
        STRFTIME, "app/report.py", "`%-d` is glibc's: musl writes it out as it stands", line=48, column=21,
        evidence=("moment.strftime('%-d %B %Y')",),
    ),
    Finding(
        STRFTIME, "app/report.py", "`%-d` is glibc's: musl writes it out as it stands", line=112, column=9,
        evidence=("f'{start:%-d} to {end:%-d %b}'",),
    ),
    Finding(
        LOCALE, "app/report.py", "sorts by the rules of a locale that is not there", line=61, column=5,
        evidence=("names.sort(key=locale.strxfrm)",), guess=True,
    ),
    Finding(
        LIBC, "app/native/prctl.py", "loads libc.so.6, which is not there", line=7, column=8,
        evidence=("ctypes.CDLL('libc.so.6', use_errno=True)",),
    ),
    Finding(
        STACK, "app/tree.py", "a function that calls itself runs in a thread", line=203, column=5, guess=True,
        evidence=("threading.Thread(target=walk)",),
    ),
    Finding(TIMEZONE, "app/tree.py", "names a time zone", line=9, column=12, evidence=("ZoneInfo('Europe/Vienna')",)),
    Finding(
        SYMBOL, "vendor/fastlib-1.2-cp314-cp314-linux_x86_64.whl:fastlib/_core.so",
        "asks for 3 functions that musl does not have",
        evidence=("__sprintf_chk (GLIBC_2.3.4)", "gnu_get_libc_version (GLIBC_2.2.5)", "mallinfo2 (GLIBC_2.33)"),
        targets=(X86_64,),
    ),
)  # fmt: skip
SILENCED = (
    Silenced(
        Finding(
            STRFTIME, "app/legacy.py", "`%k` is glibc's: musl writes it out as it stands", line=30, column=14,
            evidence=("now.strftime('%k:%M')",),
        ),
        "only runs on the old servers",
    ),
)  # fmt: skip
PROBLEMS = (
    Problem("internal-billing", "No index that was asked has it.", "Name the index that has it with --index-url"),
    Problem("app/broken.py", "Line 3 is no Python 3.14: unterminated string literal."),
)


def project() -> Report:
    """A project of some sixty distributions for two architectures, with something of everything."""
    distributions = [
        one
        for target in BOTH
        for one in [
            *_good(target),
            *_troubled(target),
            Distribution("billiard", "4.2.2", target, Verdict.PURE, "There is a wheel for every platform."),
        ]
    ]
    looked_at = {"distributions": 61, "binaries": 14, "source files": 212}
    part = Part(tuple(distributions), FINDINGS, SILENCED, PROBLEMS, MappingProxyType(looked_at))
    return Report((".",), BOTH, part)


def one_target() -> Report:
    """The same project for one architecture, asked about by its lock."""
    found = project().found
    kept = tuple(one for one in found.distributions if one.target is X86_64)
    return Report(("uv.lock",), (X86_64,), Part(kept, found.findings, found.silenced, found.problems, found.looked_at))


def good() -> Report:
    """Fifty-three distributions that are all there."""
    found = Part(tuple(_good(X86_64)), looked_at=MappingProxyType({"distributions": 53}))
    return Report(("requirements.txt",), (X86_64,), found)


def compiled() -> Report:
    """All are there but one, which has to be compiled."""
    kafka = next(one for one in _troubled(X86_64) if one.name == "confluent-kafka")
    return Report(("requirements.txt",), (X86_64,), Part((*_good(X86_64), kafka)))


def code_alone() -> Report:
    """Source code in which nothing was found."""
    return Report(("app",), (X86_64,), Part(looked_at=MappingProxyType({"source files": 12, "binaries": 1})))


def single(verdict: Verdict, *, guess: bool = False) -> Report:
    """One distribution with a verdict."""
    one = Distribution("spam", "1.0", X86_64, verdict, "It is so.", guess=guess, asked=True)
    return Report(("spam",), (X86_64,), Part((one,)))


HOSTILE = "\x1b[31m<script>alert(1)</script>&\"'`[bold]{{7*7}}{0}\u202egpj.exe\udcff\x00]]>"
"""Text such as nobody ought to write, from a package's or a file's name."""


def hostile() -> Report:
    """A report in which every string that comes from outside is hostile, and requirements go in circles."""
    rule = Rule(HOSTILE, HOSTILE, Severity.ERROR, HOSTILE, HOSTILE, f"javascript:alert(1)//{HOSTILE}")
    need = Need(HOSTILE, HOSTILE, HOSTILE)
    distributions = (
        Distribution(
            HOSTILE, HOSTILE, X86_64, Verdict.IMPOSSIBLE, HOSTILE, file=HOSTILE, evidence=(HOSTILE,), needs=(need,),
            advice=(HOSTILE,), requires=(HOSTILE, "round"), asked=True,
        ),
        Distribution("round", "1", X86_64, Verdict.PURE, HOSTILE, requires=("about", "absent")),
        Distribution("about", "1", X86_64, Verdict.PURE, HOSTILE, requires=("round", "about")),
        Distribution("island", "1", X86_64, Verdict.COMPILE, HOSTILE, requires=("lagoon",)),
        Distribution("lagoon", "1", X86_64, Verdict.PURE, HOSTILE, requires=("island",)),
    )  # fmt: skip
    finding = Finding(rule, HOSTILE, HOSTILE, 1, 1, (HOSTILE,))
    part = Part(
        distributions, (finding,), (Silenced(finding, HOSTILE),), (Problem(HOSTILE, HOSTILE, HOSTILE),),
        MappingProxyType({HOSTILE: 1}),
    )  # fmt: skip
    return Report((HOSTILE,), (X86_64,), part)


def chain(length: int) -> Report:
    """Distributions of which each requires the next."""
    links = tuple(
        Distribution(
            f"link-{number:05}", "1", X86_64, Verdict.PURE, "There is a wheel for every platform.",
            requires=(f"link-{number + 1:05}",), asked=number == 0,
        )
        for number in range(length)
    )  # fmt: skip
    return Report(("link-00000",), (X86_64,), Part(links))


REPORTS = {
    "project": project(),
    "one target": one_target(),
    "good": good(),
    "compiled": compiled(),
    "code alone": code_alone(),
    "impossible": single(Verdict.IMPOSSIBLE),
    "hostile": hostile(),
    "nothing": Report((), (X86_64,), Part()),
}
"""Every kind of report, by what it is."""
