from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.musl.dependencies import Lock, Terms, ask_requirements, check_distributions
from bivy.musl.dependencies.uvlock import parse_uv_lock, read_uv_lock
from bivy.musl.report import Distribution, Part, Verdict
from tests.musl.dependencies.conftest import target
from tests.musl.dependencies.shelf import Shelf, make_sdist, make_wheel

MUSL = "cp314-cp314-musllinux_1_2_x86_64"
GLIBC = "cp314-cp314-manylinux_2_28_x86_64"
SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=70"]\nbuild-backend = "setuptools.build_meta"\n'


@pytest.fixture
def ask(make_terms: Callable[..., Terms]) -> Callable[..., Part]:
    """A function that asks about requirements and returns what was found out."""

    def ask(*requirements: str, targets: tuple[str, ...] = ("x86_64",), wheels: tuple[Path, ...] = ()) -> Part:
        terms = make_terms(*(target(arch) for arch in targets), wheels=wheels)
        resolution = ask_requirements(requirements, terms)
        return check_distributions(resolution, terms.targets, cache=terms.cache, wheels=wheels)

    return ask


def verdict(part: Part, name: str, arch: str = "x86_64") -> Distribution:
    found = [each for each in part.distributions if each.name == name and each.target.arch.name == arch]
    assert len(found) == 1, part
    return found[0]


def test_a_wheel_for_every_platform_is_pure(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.wheel("top", "1.0", requires=["below; platform_machine == 'x86_64'"])
    shelf.wheel("below", "2.0", "py2.py3-none-any")
    part = ask("top", targets=("x86_64", "aarch64"))
    top = verdict(part, "top")
    assert (top.verdict, top.version, top.file) == (Verdict.PURE, "1.0", "top-1.0-py3-none-any.whl")
    assert (top.requires, top.asked, top.guess) == (("below",), True, False)
    assert not verdict(part, "below").asked
    assert verdict(part, "top", "aarch64").requires == ()
    assert len(part.distributions) == 3
    assert part.looked_at["distributions"] == 2
    assert part.problems == ()


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (MUSL, "for this version of Python"),
        ("cp39-abi3-musllinux_1_1_x86_64", "abi3"),
        ("py3-none-musllinux_1_2_x86_64", "for any version of Python"),
    ],
)
def test_a_wheel_for_musl_is_named_with_its_kind(shelf: Shelf, ask: Callable[..., Part], tags: str, said: str) -> None:
    shelf.wheel("fast", "1.0", tags)
    shelf.wheel("fast", "1.0", GLIBC)
    found = verdict(ask("fast"), "fast")
    assert (found.verdict, found.file) == (Verdict.MUSLLINUX, f"fast-1.0-{tags}.whl")
    assert said in found.evidence[0]


def test_each_architecture_has_a_verdict_of_its_own(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.wheel("fast", "1.0", MUSL)
    shelf.sdist("fast", "1.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    part = ask("fast", targets=("x86_64", "s390x"))
    assert verdict(part, "fast").verdict is Verdict.MUSLLINUX
    there = verdict(part, "fast", "s390x")
    assert there.verdict is Verdict.COMPILE
    assert "wheels for musl exist for x86_64" in there.evidence


_EXTENSION = (
    "from setuptools import setup, Extension\n"
    "setup(ext_modules=[Extension('fast', ['fast.c'], libraries=['z'])])\n"
)  # fmt: skip


def test_a_source_archive_with_extension_modules_is_compiled(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.wheel("fast", "1.0", GLIBC)
    shelf.sdist("fast", "1.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    found = verdict(ask("fast"), "fast")
    assert (found.verdict, found.guess, found.file) == (Verdict.COMPILE, False, "fast-1.0.tar.gz")
    assert ("compiler", "c") in {(need.kind, need.name) for need in found.needs}
    assert ("build", "setuptools>=70") in {(need.kind, need.name) for need in found.needs}
    assert "wheels for manylinux, none that fits" in found.evidence
    assert "it links with z" in found.evidence
    assert found.advice[0] == "Compile it once, outside the image: bivy wheel fast==1.0"


def test_an_older_version_with_a_wheel_is_offered_for_one_that_is_compiled(
    shelf: Shelf, ask: Callable[..., Part]
) -> None:
    shelf.wheel("fast", "0.9", MUSL)
    shelf.sdist("fast", "1.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    found = verdict(ask("fast"), "fast")
    assert (found.verdict, found.version) == (Verdict.COMPILE, "1.0")
    assert "Or use fast==0.9, which has a wheel for musl, if nothing else rules it out." in found.advice


def test_a_source_archive_of_rust_needs_its_compiler(shelf: Shelf, ask: Callable[..., Part]) -> None:
    project = '[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n'
    shelf.sdist("fast", "1.0", {"pyproject.toml": project, "Cargo.toml": "", "src/lib.rs": ""})
    found = verdict(ask("fast"), "fast")
    assert found.verdict is Verdict.COMPILE
    assert ("compiler", "rust") in {(need.kind, need.name) for need in found.needs}
    assert "bivy wheel has no compiler for Rust" in found.advice[0]


def test_a_source_archive_with_nothing_to_compile_is_source(shelf: Shelf, ask: Callable[..., Part]) -> None:
    project = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    shelf.sdist("slow", "1.0", {"pyproject.toml": project, "slow.py": ""}, ["below"])
    shelf.wheel("below", "1.0")
    found = verdict(ask("slow"), "slow")
    assert (found.verdict, found.guess, found.needs, found.requires) == (Verdict.SOURCE, False, (), ("below",))


def test_wheels_alone_make_it_a_guess_where_the_source_archive_cannot_be_read(
    shelf: Shelf, ask: Callable[..., Part]
) -> None:
    shelf.wheel("fast", "1.0", GLIBC)
    shelf.sdist("fast", "1.0")
    shelf.refusals["/files/fast-1.0.tar.gz"] = 500
    found = verdict(ask("fast"), "fast")
    assert (found.verdict, found.guess) == (Verdict.COMPILE, True)
    assert any("fast-1.0.tar.gz" in line and "500" in line for line in found.evidence)


def test_what_an_extension_that_may_be_left_out_needs_is_said(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.sdist("pyyaml", "6.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    found = verdict(ask("pyyaml"), "pyyaml")
    assert found.verdict is Verdict.SOURCE
    assert ("package", "yaml-dev") in {(need.kind, need.name) for need in found.needs}


def test_a_wheel_that_was_compiled_earlier_is_taken(shelf: Shelf, ask: Callable[..., Part], tmp_path: Path) -> None:
    shelf.sdist("fast", "1.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    built = tmp_path / "cache" / "wheels" / "some" / f"fast-1.0-{MUSL}.whl"
    built.parent.mkdir(parents=True)
    built.write_bytes(make_wheel("fast", "1.0", MUSL))
    found = verdict(ask("fast"), "fast")
    assert (found.verdict, found.file) == (Verdict.BUILT, built.name)
    assert str(built) in found.evidence


def test_a_wheel_in_a_folder_that_is_named_counts_even_where_no_index_has_it(
    shelf: Shelf, ask: Callable[..., Part], tmp_path: Path
) -> None:
    shelf.wheel("other", "1.0")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"own-2.0-{MUSL}.whl").write_bytes(make_wheel("own", "2.0", MUSL))
    part = ask("own", "other", wheels=(folder,))
    assert verdict(part, "own").verdict is Verdict.BUILT
    assert verdict(part, "other").verdict is Verdict.PURE


def test_a_wheel_in_a_folder_does_not_hide_what_the_index_has_for_others(
    shelf: Shelf, ask: Callable[..., Part], tmp_path: Path
) -> None:
    shelf.sdist("fast", "1.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"fast-1.0-{MUSL}.whl").write_bytes(make_wheel("fast", "1.0", MUSL))
    part = ask("fast", targets=("x86_64", "s390x"), wheels=(folder,))
    assert verdict(part, "fast").verdict is Verdict.BUILT
    assert verdict(part, "fast", "s390x").verdict is Verdict.COMPILE


def test_without_source_and_without_a_wheel_that_fits_it_cannot_be_installed(
    shelf: Shelf, ask: Callable[..., Part]
) -> None:
    shelf.wheel("stuck", "2.0", GLIBC)
    shelf.wheel("stuck", "2.0", "cp313-cp313-musllinux_1_2_x86_64")
    shelf.wheel("stuck", "2.0", "cp314-cp314-musllinux_1_2_aarch64")
    found = verdict(ask("stuck"), "stuck")
    assert (found.verdict, found.version, found.file) == (Verdict.IMPOSSIBLE, "2.0", "")
    assert "wheels for musl exist for Python 3.13" in found.evidence
    assert "wheels for musl exist for aarch64" in found.evidence


def test_the_usual_substitute_is_named(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.wheel("cx-oracle", "8.3", GLIBC)
    assert "Or use oracledb:" in " ".join(verdict(ask("cx-oracle"), "cx-oracle").advice)


def test_the_older_version_that_an_installer_takes_is_taken(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.wheel("stuck", "3.0", GLIBC, ["only-new"])
    shelf.wheel("stuck", "2.9", MUSL, ["only-old"])
    shelf.wheel("only-new", "1.0")
    shelf.wheel("only-old", "1.0")
    part = ask("stuck", targets=("x86_64", "aarch64"))
    found = verdict(part, "stuck")
    assert (found.verdict, found.version) == (Verdict.MUSLLINUX, "2.9")
    assert found.evidence[0] == "3.0 has no file that fits; 2.9 is what an installer takes"
    assert verdict(part, "only-old").verdict is Verdict.PURE
    there = verdict(part, "stuck", "aarch64")
    assert (there.verdict, there.version) == (Verdict.IMPOSSIBLE, "3.0")


def test_what_a_version_asked_for_rules_out_is_said_and_the_nearest_is_named(
    shelf: Shelf, ask: Callable[..., Part]
) -> None:
    shelf.wheel("stuck", "3.0", GLIBC)
    shelf.wheel("stuck", "2.9", MUSL)
    found = verdict(ask("stuck==3.0"), "stuck")
    assert (found.verdict, found.version) == (Verdict.IMPOSSIBLE, "3.0")
    assert found.advice == ("Allow stuck==2.9, the nearest version that installs on musl.",)


def test_a_distribution_for_other_systems_alone_cannot_be_installed_and_the_rest_is_reported(
    shelf: Shelf, ask: Callable[..., Part]
) -> None:
    shelf.wheel("winonly", "3.0", "cp314-cp314-win_amd64")
    shelf.wheel("top", "1.0", requires=["winonly"])
    part = ask("top")
    found = verdict(part, "winonly")
    assert (found.verdict, found.version, found.asked) == (Verdict.IMPOSSIBLE, "3.0", False)
    assert "wheels for Windows" in found.evidence
    assert verdict(part, "top").verdict is Verdict.PURE


def test_withdrawn_files_are_passed_over(shelf: Shelf, ask: Callable[..., Part]) -> None:
    shelf.wheel("top", "2.0", yanked=True)
    shelf.wheel("top", "1.0")
    assert verdict(ask("top"), "top").version == "1.0"


def test_a_requirement_that_no_index_has_is_named_and_the_rest_is_reported(
    shelf: Shelf, ask: Callable[..., Part]
) -> None:
    shelf.wheel("top", "1.0", requires=["gone-below"])
    part = ask("top", "gone")
    assert verdict(part, "top").verdict is Verdict.PURE
    assert verdict(part, "gone").verdict is Verdict.UNKNOWN
    assert {(problem.subject, problem.message) for problem in part.problems} == {
        ("gone", "No index has a distribution of this name."),
        ("gone-below", "No index has a distribution of this name."),
    }


def test_a_given_lock_is_obeyed_to_the_letter(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("stuck", "2.9", MUSL)
    lock = parse_uv_lock(
        f"""
version = 1
[[package]]
name = "app"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "stuck" }}]
[[package]]
name = "stuck"
version = "3.0"
source = {{ registry = "{shelf.address}" }}
wheels = [{{ url = "https://example.org/stuck-3.0-{GLIBC}.whl" }}]
""",
        "uv.lock",
    )
    found = verdict(_checked(lock, tmp_path), "stuck")
    assert (found.verdict, found.version) == (Verdict.IMPOSSIBLE, "3.0")
    assert found.advice == ("Allow stuck==2.9, the nearest version that installs on musl.",)


def test_where_the_index_does_not_answer_the_verdict_stands_and_the_problem_is_said(
    shelf: Shelf, tmp_path: Path
) -> None:
    lock = parse_uv_lock(
        f"""
version = 1
[[package]]
name = "stuck"
version = "3.0"
source = {{ registry = "{shelf.address}" }}
wheels = [{{ url = "https://example.org/stuck-3.0-{GLIBC}.whl" }}]
""",
        "uv.lock",
    )
    shelf.refusals["/simple/stuck/"] = 503
    part = _checked(lock, tmp_path)
    assert verdict(part, "stuck").verdict is Verdict.IMPOSSIBLE
    assert [problem.subject for problem in part.problems] == ["stuck"]
    assert "503" in part.problems[0].message


def test_git_folders_and_addresses_are_unknown_or_read(tmp_path: Path) -> None:
    lock = parse_uv_lock(
        """
version = 1
[[package]]
name = "app"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "a" }, { name = "b" }, { name = "c" }]
[[package]]
name = "a"
version = "1"
source = { git = "https://example.org/a" }
[[package]]
name = "b"
version = "1"
source = { directory = "../b" }
[[package]]
name = "c"
version = "1"
source = { url = "https://example.org/c-1-py3-none-any.whl" }
wheels = [{ url = "https://example.org/c-1-py3-none-any.whl" }]
""",
        "uv.lock",
    )
    part = _checked(lock, tmp_path)
    assert {each.name: each.verdict for each in part.distributions} == {
        "a": Verdict.UNKNOWN, "b": Verdict.UNKNOWN, "c": Verdict.PURE,
    }  # fmt: skip
    assert verdict(part, "a").why == "It comes from a git repository, which was not looked into."
    assert verdict(part, "b").advice == ("Ask about it by itself: bivy check ../b",)


def test_files_beside_a_lock_are_read_from_where_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "fast-1.0.tar.gz").write_bytes(
        make_sdist("fast-1.0", "fast", "1.0", {"pyproject.toml": SETUPTOOLS, "setup.py": _EXTENSION, "fast.c": ""})
    )
    (folder / "uv.lock").write_text(
        """
version = 1
[[package]]
name = "fast"
version = "1.0"
source = { path = "fast-1.0.tar.gz" }
sdist = { hash = "sha256:00" }
"""
    )
    found = verdict(_checked(read_uv_lock(folder / "uv.lock"), tmp_path), "fast")
    assert (found.verdict, found.guess) == (Verdict.COMPILE, False)


def _checked(lock: Lock, folder: Path) -> Part:
    return check_distributions(lock, [target()], cache=folder / "cache")
