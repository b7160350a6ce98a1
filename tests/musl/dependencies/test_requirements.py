from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.musl.dependencies.requirements import read_requirements


def write(folder: Path, name: str = "requirements.txt", content: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_requirements_with_comments_continuations_and_hashes_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        content="""\
# a comment
requests[socks] >= 2 ; python_version > "3"  # another
six==1.17.0 \\
    --hash=sha256:abc \\
    --hash=sha256:def

web @ https://example.org/web-1-py3-none-any.whl#sha256=00
""",
    )
    question, problems = read_requirements(path)
    assert question.requirements == (
        'requests[socks] >= 2 ; python_version > "3"',
        "six==1.17.0",
        "web @ https://example.org/web-1-py3-none-any.whl#sha256=00",
    )
    assert problems == ()
    assert question.folder == tmp_path


def test_other_files_are_read_relative_to_the_one_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, "more/base.txt", "six\n-c limits.txt\n")
    write(tmp_path, "more/limits.txt", "six<2\n")
    question, problems = read_requirements(
        write(tmp_path, content="-r more/base.txt\n--requirement=more/base.txt\nweb")
    )
    assert question.requirements == ("six", "web")
    assert question.constraints == ("six<2",)
    assert problems == ()


def test_options_that_name_indexes_are_handed_on(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        content="""\
--index-url https://one.example/simple
--extra-index-url=https://two.example/simple
--extra-index-url https://three.example/simple
-f wheels
--pre
--require-hashes
""",
    )
    question, problems = read_requirements(path)
    assert question.options == (
        "--default-index", "https://one.example/simple", "--index", "https://two.example/simple",
        "--index-strategy", "unsafe-best-match", "--index", "https://three.example/simple",
        "--find-links", str(tmp_path / "wheels"),
    )  # fmt: skip
    assert question.settings == {"prerelease": "allow"}
    assert problems == ()


def test_variables_of_the_environment_are_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "six")
    question, _ = read_requirements(write(tmp_path, content="${NAME}==1"))
    assert question.requirements == ("six==1",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not a requirement!", "this is not a requirement"),
        ("-e ./folder", "./folder is a folder"),
        ("./wheel-1-py3-none-any.whl", "is a file or folder"),
        ("https://example.org/a-1-py3-none-any.whl", "is a file or folder"),
        ("--no-binary :all:", "--no-binary is not taken into account"),
        ("-r gone.txt", "gone.txt cannot be read: No such file or directory"),
        ("-r https://example.org/more.txt", "is not on this machine"),
        ("--index-url 'https://", "a quotation mark is not closed"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, content=f"six\n\n{line}\nweb\n")
    question, problems = read_requirements(path)
    assert question.requirements == ("six", "web")
    assert [each.subject for each in problems] == [f"{path}, line 3"]
    assert message in problems[0].message


def test_files_that_name_each_other_come_to_an_end(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "-r a.txt\nb\n")
    question, problems = read_requirements(write(tmp_path, "a.txt", "-r b.txt\na\n"))
    assert set(question.requirements) == {"a", "b"}
    assert problems == ()


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BivyError, match="not text in UTF-8"):
        read_requirements(tmp_path / "r.txt")
    with pytest.raises(BivyError, match="cannot be read"):
        read_requirements(tmp_path / "gone.txt")


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "r.txt"
    path.write_text(text, "utf-8", errors="ignore")
    read_requirements(path)


def test_places_without_a_name_are_named_by_who_can(tmp_path: Path) -> None:
    path = write(tmp_path, content="./lib[x] ; python_version > '3'\n-e ../b\nc @ https://example.org/c.tar.gz\n")
    asked: list[tuple[str, Path]] = []

    def naming(place: str, folder: Path) -> str:
        asked.append((place, folder))
        return f"named{len(asked)} @ file:///x"

    question, problems = read_requirements(path, naming)
    assert asked == [("./lib[x]", tmp_path), ("../b", tmp_path)]
    assert question.requirements == (
        "named1 @ file:///x ; python_version > '3'", "named2 @ file:///x", "c @ https://example.org/c.tar.gz",
    )  # fmt: skip
    assert problems == ()
