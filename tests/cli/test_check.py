"""``bivy check`` as a person and a pipeline meet it; the index is one of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.elves import Linker
from tests.musl.dependencies.shelf import Shelf, Shelved, make_sdist, make_wheel, serve_shelf

MUSL = "cp314-cp314-musllinux_1_2_x86_64"
GLIBC = "cp314-cp314-manylinux_2_28_x86_64"
SETUP = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('fast', ['fast.c'])])\n"


@dataclass(frozen=True)
class Desk:
    """A folder to work in, and an index."""

    folder: Path
    index: Shelf

    def check(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
        environment |= {
            "UV_DEFAULT_INDEX": self.index.address,
            "UV_CACHE_DIR": str(self.folder / "uv"),
            "BIVY_CACHE": str(self.folder / "cache"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        return subprocess.run(
            [sys.executable, "-m", "bivy", "check", *words], capture_output=True, text=True, env=environment,
            cwd=self.folder,
        )  # fmt: skip

    def answer(self, *words: str) -> tuple[int, dict[str, object]]:
        done = self.check("--arch", "x86_64", "--json", *words)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    def verdicts(self, *words: str) -> dict[str, str]:
        _, report = self.answer(*words)
        distributions = report["distributions"]
        assert isinstance(distributions, list)
        return {one["name"]: one["verdict"] for one in distributions}

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "work").mkdir()
    with serve_shelf() as index:
        index.wheel("pure", "1.0", requires=["fast>=1"])
        index.wheel("fast", "1.0", MUSL)
        index.wheel("closed", "1.0", GLIBC)
        index.sdist("compiled", "1.0", {"setup.py": SETUP, "fast.c": "int one;"})
        yield Desk(tmp_path / "work", index)


def test_a_yes_names_what_was_found_and_exits_with_0(desk: Desk) -> None:
    done = desk.check("--arch", "x86_64", "pure")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("Yes: all 2 distributions can be installed on musl.")


def test_a_no_exits_with_1_and_says_what_cannot_be_installed(desk: Desk) -> None:
    done = desk.check("--arch", "x86_64", "pure", "closed")
    assert done.returncode == 1
    assert "impossible  closed 1.0" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("No: 1 of 3 distributions")


def test_what_has_to_be_compiled_is_a_yes_unless_that_is_forbidden(desk: Desk) -> None:
    assert desk.verdicts("compiled") == {"compiled": "compile"}
    assert desk.check("--arch", "x86_64", "compiled").returncode == 0
    assert desk.check("--arch", "x86_64", "--strict", "compiled").returncode == 1


def test_requirements_are_resolved_together(desk: Desk) -> None:
    desk.index.wheel("fast", "2.0", MUSL)
    _, report = desk.answer("pure", "fast<2")
    distributions = report["distributions"]
    assert isinstance(distributions, list)
    assert {(one["name"], one["version"]) for one in distributions} == {("pure", "1.0"), ("fast", "1.0")}


def test_a_project_is_asked_about_where_nothing_is_named(desk: Desk) -> None:
    desk.write("pyproject.toml", '[project]\nname = "own"\nversion = "1"\ndependencies = ["pure"]\n')
    desk.write("own/main.py", "import time\n\nprint(time.strftime('%k'))\nimport nis\n")
    status, report = desk.answer()
    assert {one["name"] for one in report["distributions"]} == {"pure", "fast"}  # type: ignore[attr-defined]
    places = {(one["path"], one["line"]) for one in report["findings"]}  # type: ignore[attr-defined]
    assert ("own/main.py", 4) in places
    assert status == 1


def test_a_project_whose_dependencies_are_unknown_is_no_yes_but_its_code_is_read(desk: Desk) -> None:
    desk.write("setup.py", "from setuptools import setup\nsetup()\n")
    desk.write("main.py", "import nis\n")
    status, report = desk.answer(".")
    assert status == 1
    assert report["problems"]
    assert [one["path"] for one in report["findings"]] == ["main.py"]  # type: ignore[attr-defined]


def test_code_can_be_left_out(desk: Desk) -> None:
    for name in ("own/main.py", "tests/test_main.py", "docs/conf.py", "docs/kept.py"):
        desk.write(name, "import nis\n")
    _, report = desk.answer("--exclude", "tests", "--exclude", "docs/c*.py", ".")
    assert [one["path"] for one in report["findings"]] == ["docs/kept.py", "own/main.py"]  # type: ignore[attr-defined]


def test_a_requirements_file_a_lock_and_a_wheel_are_asked_about_at_once(desk: Desk) -> None:
    desk.write("requirements.txt", "fast==1.0\n")
    desk.write("pylock.toml", f"""
        lock-version = "1.0"
        created-by = "a test"
        [[packages]]
        name = "locked"
        version = "1"
        [[packages.wheels]]
        name = "locked-1-{GLIBC}.whl"
        url = "http://nowhere.invalid/locked.whl"
        hashes = {{ sha256 = "00" }}
    """)  # fmt: skip
    desk.write(f"own-1.0-{GLIBC}.whl", make_wheel("own", "1.0", GLIBC, ["pure"]))
    assert desk.verdicts("requirements.txt", "pylock.toml", f"own-1.0-{GLIBC}.whl") == {
        "fast": "musllinux", "locked": "impossible", "own": "impossible", "pure": "pure",
    }  # fmt: skip


def test_a_source_archive_is_judged_by_what_is_in_it(desk: Desk) -> None:
    content = make_sdist("own-1.0", "own", "1.0", {"setup.py": SETUP, "fast.c": "int one;"}, ["pure"])
    desk.write("own-1.0.tar.gz", content)
    assert desk.verdicts("own-1.0.tar.gz") == {"own": "compile", "pure": "pure", "fast": "musllinux"}


def test_an_environment_is_asked_about_version_for_version(desk: Desk) -> None:
    desk.index.wheel("fast", "2.0", MUSL)
    metadata = "Metadata-Version: 2.1\nName: fast\nVersion: 1.0\n"
    desk.write("env/lib/python3.11/site-packages/fast-1.0.dist-info/METADATA", metadata)
    desk.write("env/pyvenv.cfg", "")
    _, report = desk.answer("env")
    assert [(one["name"], one["version"]) for one in report["distributions"]] == [("fast", "1.0")]  # type: ignore[attr-defined]


def test_an_empty_environment_is_a_problem_with_a_way_out(desk: Desk) -> None:
    desk.write("env/pyvenv.cfg", "")
    done = desk.check("env")
    assert done.returncode == 1
    assert "nothing is installed in env" in done.stdout


def test_every_architecture_gets_a_verdict_of_its_own(desk: Desk) -> None:
    done = desk.check("--json", "--arch", "x86_64", "--arch", "arm64", "fast")
    report = json.loads(done.stdout)
    verdicts = {one["target"]: one["verdict"] for one in report["distributions"]}
    assert sorted(verdicts.values()) == ["impossible", "musllinux"]
    assert done.returncode == 1


def test_one_bad_input_hides_nothing_of_the_rest(desk: Desk) -> None:
    desk.write("broken-1.0-py3-none-any.whl", b"this is no zip archive")
    status, report = desk.answer("pure", "broken-1.0-py3-none-any.whl")
    assert status == 1
    assert {one["name"] for one in report["distributions"]} >= {"pure", "fast"}  # type: ignore[attr-defined]
    assert any("broken-1.0" in one["subject"] for one in report["problems"])  # type: ignore[attr-defined]


def test_the_reports_are_written_whole_and_say_the_same(desk: Desk) -> None:
    done = desk.check("--arch", "x86_64", "--html", "out/report.html", "--sarif", "report.sarif", "closed")
    assert done.returncode == 1
    sarif = json.loads((desk.folder / "report.sarif").read_text())
    assert [result["ruleId"] for result in sarif["runs"][0]["results"]] == ["distribution-impossible"]
    page = (desk.folder / "out/report.html").read_text()
    assert "closed" in page
    assert done.stdout.rstrip().splitlines()[-1].rstrip(".") in page


def test_the_binaries_of_wheels_are_read_where_that_is_asked_for(desk: Desk) -> None:
    linker = Linker(desk.folder)
    library = linker.link("_native.so", "void getcontext(void); void use(void) {getcontext();}", needs=[linker.glibc()])
    name = f"liar-1.0-{MUSL}.whl"
    files = {"liar/_native.so": library.read_bytes()}
    desk.index.projects["liar"] = [Shelved(name, make_wheel("liar", "1.0", MUSL, files=files))]
    assert desk.check("--arch", "x86_64", "liar").returncode == 0
    status, report = desk.answer("--deep", "liar")
    assert status == 1
    found = report["findings"]
    assert isinstance(found, list)
    assert {one["path"] for one in found} >= {f"{name}:liar/_native.so"}
    assert any("getcontext" in line for one in found for line in one["evidence"])


def test_quiet_is_the_answer_alone(desk: Desk) -> None:
    done = desk.check("-q", "--arch", "x86_64", "pure")
    assert done.stdout == "Yes: all 2 distributions can be installed on musl.\n"
    assert done.stderr == ""


def test_an_index_is_asked_that_is_named(desk: Desk) -> None:
    with serve_shelf() as other:
        other.wheel("elsewhere", "1.0")
        assert desk.verdicts("--index", other.address, "elsewhere") == {"elsewhere": "pure"}


def test_wheels_at_hand_count(desk: Desk) -> None:
    desk.write(f"wheels/compiled-1.0-{MUSL}.whl", make_wheel("compiled", "1.0", MUSL))
    assert desk.verdicts("--find-links", "wheels", "compiled") in ({"compiled": "built"}, {"compiled": "musllinux"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.whl"], "there is no such file"),
        (["numpy=>2"], "is no requirement"),
        (["--python", "2.7", "pure"], "is not a version of Python"),
        (["--arch", "pdp11", "pure"], "unknown architecture"),
    ],
)
def test_a_wrong_question_exits_with_2(desk: Desk, words: list[str], said: str) -> None:
    done = desk.check(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout
