"""Every rule finds its example that fails, and that alone; and its program shows the difference that it claims."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bivy.musl.code import CodeRule, load_rules
from bivy.musl.code.page import PAGE, page
from bivy.musl.report import Part
from bivy.sandbox import find_bubblewrap, why_no_sandbox
from tests.integration.conftest import NAME, bivy

RULES = load_rules()
BY_NAME = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
RUN_ALL = """
import json, subprocess, sys
for name, program in json.load(open("/programs/programs.json")).items():
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    print(json.dumps([name, done.stdout, done.stderr]))
"""


def test_names_are_unique_and_every_rule_explains_itself() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert all((rule.why, rule.instead, rule.message)), rule.name
        assert bool(rule.program) != bool(rule.unshown), rule.name


@BY_NAME
def test_the_example_that_fails_is_found_and_by_this_rule_alone(
    rule: CodeRule, rules_found: Callable[..., list[str]]
) -> None:
    assert rules_found(rule.fails) == [rule.name]


@BY_NAME
def test_nothing_is_found_in_the_example_that_passes(rule: CodeRule, rules_found: Callable[..., list[str]]) -> None:
    assert rules_found(rule.passes) == []


@BY_NAME
def test_a_finding_says_where_and_what(rule: CodeRule, check: Callable[..., Part]) -> None:
    finding = check(rule.fails).findings[0]
    assert finding.path == "code.py"
    assert finding.line >= 1
    assert finding.column >= 1
    assert finding.evidence
    assert not {"{", "\ufffc"} & set(finding.message.replace("{a,b}", "").replace("{1..3}", ""))


@pytest.fixture(scope="module")
def in_image(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the rules' programs print in the image: together in one container, with a network of its own or without."""
    folder, printed = tmp_path_factory.mktemp("programs"), {}
    for network in ("none", "host"):
        programs = {rule.name: rule.program for rule in RULES if ("network" in rule.needs) == (network == "none")}
        (folder / "programs.json").write_text(json.dumps(programs))
        words = ["run", "--output", str(dist), "--network", network, "-v", f"{folder}:/programs:ro", NAME]
        for line in bivy(*words, "python3", "-c", RUN_ALL).stdout.splitlines():
            name, out, err = json.loads(line)
            printed[name] = out + err
    return printed


@pytest.mark.image
@BY_NAME
def test_its_program_prints_in_the_image_what_the_data_says(rule: CodeRule, in_image: dict[str, str]) -> None:
    assert in_image[rule.name].strip() == rule.musl.strip()


@pytest.mark.parametrize(
    "rule", shown := [rule for rule in RULES if rule.glibc is not None], ids=[r.name for r in shown]
)
def test_its_program_prints_on_glibc_what_the_data_says(rule: CodeRule, tmp_path: Path) -> None:
    assert rule.glibc is not None
    with _glibc(rule, tmp_path) as (before, environment):
        words = [*before, sys.executable, "-c", rule.program]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
    assert (done.stdout + done.stderr).strip() == rule.glibc.strip()
    assert rule.glibc.strip() != rule.musl.strip()


@contextlib.contextmanager
def _glibc(rule: CodeRule, folder: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """What a program needs on this machine: words before it, variables."""
    if os.confstr("CS_GNU_LIBC_VERSION") is None:
        pytest.skip("this machine's Python is not on glibc")
    words: list[str] = []
    environment: dict[str, str] = {}
    if "locale" in rule.needs:
        if not shutil.which("localedef") or not Path("/usr/share/i18n/locales/de_DE").is_file():
            pytest.skip("no localedef, or not the German locale's source")
        made = folder / "de_DE.UTF-8"
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(made)], check=True, capture_output=True)
        environment["LOCPATH"] = str(folder)
    if "network" in rule.needs:
        bubblewrap = find_bubblewrap()
        if bubblewrap is None or why_no_sandbox() is not None:
            pytest.skip("no sandbox here")
        words = [str(bubblewrap), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-user",
                 "--uid", "0", "--unshare-net", "--cap-add", "CAP_NET_BIND_SERVICE"]  # fmt: skip
        for name in ("resolv.conf", "nsswitch.conf", "hosts"):
            (folder / name).write_bytes((Path("/etc") / name).read_bytes())
            words += ["--bind", str(folder / name), f"/etc/{name}"]
    yield words, environment


def test_the_page_of_the_rules_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m bench.check_code --record"
