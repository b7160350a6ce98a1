"""Files of checks: bivy's own are whole, a person's are added, a wrong one is told with its line and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.verify.check import CHECKS, chosen, load_checks, own_checks, with_folder
from bivy.verify.readings import READINGS

MINE = """\
group = "mine"

[[checks]]
name = "motd"
title = "There is a message of the day"
why = "We like it."
source = "our handbook"
remedy = "Write one."
command = ["cat", "/etc/motd"]
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_checks(folder)
    return str(caught.value)


def test_bivys_own_checks_come_in_the_order_of_their_groups_and_have_names_of_their_own() -> None:
    groups = list(dict.fromkeys(check.group for check in own_checks()))
    assert groups == ["official", "libraries", "root", "variant", "format"]
    assert len({check.name for check in own_checks()}) == len(own_checks())


def test_every_reading_is_used_by_a_check() -> None:
    assert {check.reading for check in own_checks() if check.reading} == set(READINGS)


def test_each_of_bivys_own_checks_says_why_in_a_sentence_and_whence() -> None:
    for check in own_checks():
        assert check.why.endswith("."), check.name
        assert check.remedy.endswith("."), check.name
        assert not check.title.endswith("."), check.name
        assert "http" in check.source or any(letter.isdigit() for letter in check.source) or "," in check.source


def test_the_programs_of_bivys_own_checks_are_python_that_the_oldest_image_compiles() -> None:
    import ast

    for check in own_checks():
        if check.python is not None:
            ast.parse(check.python, check.name, feature_version=(3, 11))


def test_a_persons_checks_come_after_bivys(tmp_path: Path) -> None:
    checks = with_folder(own_checks(), write(tmp_path / "checks", MINE))
    assert checks[:-1] == own_checks()
    assert (checks[-1].name, checks[-1].group, checks[-1].runs) == ("motd", "mine", True)


def test_a_persons_check_of_a_name_that_is_there_takes_its_place(tmp_path: Path) -> None:
    folder = write(tmp_path / "checks", MINE.replace('"motd"', '"utc"'))
    checks = with_folder(own_checks(), folder)
    assert len(checks) == len(own_checks())
    assert [check.group for check in checks if check.name == "utc"] == ["mine"]


WRONG = {
    "an unknown key": ("command =", "comand =", ":9: unknown key `checks[0].comand`; is `command` meant?"),
    "a missing key": ('why = "We like it."\n', "", ":3: checks[0]: Object missing required field `why`"),
    "an empty key": ('"We like it."', '""', ":6: the check motd says nothing in `why`"),
    "a value of another kind": ('["cat", "/etc/motd"]', "7", ":9: checks[0].command: this has to be a list or nothing"),
    "a name that is none": ('"motd"', '"The motd"', ":4: 'The motd' is not a check's name"),
    "nothing to make": (
        'command = ["cat", "/etc/motd"]\n', "",
        ":3: the check motd has none: it takes one of python, command and reading",
    ),
    "two things to make": (
        "command =", 'python = "1"\ncommand =', ":3: the check motd has python and command: it takes one of",
    ),
    "an unknown reading": (
        'command = ["cat", "/etc/motd"]', 'reading = "setuidd"',
        ":9: there is no reading `setuidd`; is `setuid` meant?",
    ),
    "an unknown setting": (
        'command = ["cat", "/etc/motd"]', 'reading = "absent"\n[checks.settings]\nfile = []',
        ":11: unknown key `file`; is `files` meant?",
    ),
    "a pattern that is none": (
        'command = ["cat", "/etc/motd"]',
        'reading = "builder-paths"\n[checks.settings]\ngenerated = []\npaths = [{ pattern = "(x", what = "x" }]',
        "the pattern '(x' is none",
    ),
    "no TOML": ('name = "motd"', "name = motd", ":4: this is not TOML"),
    "no time": ("command =", "timeout = 0\ncommand =", ":9: 0 seconds are too few"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_a_file_that_is_wrong_is_told_with_its_line_and_what_was_meant(fault: str, tmp_path: Path) -> None:
    there, instead, said = WRONG[fault]
    assert there in MINE
    folder = write(tmp_path / "checks", MINE.replace(there, instead))
    told = refusal(folder)
    assert told.startswith(str(folder / "mine.toml"))
    assert said in told


def test_two_checks_of_one_name_are_told_with_both_places(tmp_path: Path) -> None:
    folder = write(write(tmp_path / "checks", MINE), MINE, "other.toml")
    assert f"{folder / 'other.toml'}:4: a check motd is there already, in {folder / 'mine.toml'}" in refusal(folder)


def test_a_folder_without_checks_is_told_so(tmp_path: Path) -> None:
    assert "has no checks" in refusal(tmp_path)
    assert "there is no such folder" in refusal(tmp_path / "nothing")


def test_checks_are_chosen_by_name_and_by_group() -> None:
    assert [check.name for check in chosen(own_checks(), ["utc", "variant"], {})] == [
        "utc", "no-tools", "no-headers", "budget", "awake",
    ]  # fmt: skip
    assert chosen(own_checks(), [], {"utc": "we are in Bern"}) == own_checks()


@pytest.mark.parametrize(
    ("only", "without", "said"),
    [
        (["budgett"], {}, "there is no check 'budgett'; is `budget` meant?"),
        ([], {"budgett": "x"}, "there is no check 'budgett'; is `budget` meant?"),
        ([], {"budget": " "}, "budget cannot be left out without a reason"),
    ],
)
def test_a_choice_that_is_none_is_told(only: list[str], without: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(own_checks(), only, without)
    assert str(caught.value) == said


def test_the_documentation_names_every_check_and_every_reading() -> None:
    text = (Path(__file__).parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
    missing = [check.name for check in load_checks(CHECKS) if f"`{check.name}`" not in text]
    missing += [name for name in READINGS if f"`{name}`" not in text]
    assert missing == []
