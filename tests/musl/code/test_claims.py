"""Every name, option and word that the data lists is as the data says: in the image, and on this machine's glibc."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from bivy.musl.code import base_image, load_rules
from bivy.musl.code.shell import BASHISMS, bashisms
from tests.integration.conftest import NAME, bivy

pytestmark = pytest.mark.image

RULES = {rule.name: rule for rule in load_rules()}
ON_GLIBC = pytest.mark.skipif(os.confstr_names.get("CS_GNU_LIBC_VERSION") is None, reason="not on glibc")


def in_image(dist: Path, program: str) -> object:
    """Run a program in the image and return what it prints as JSON."""
    return json.loads(bivy("run", "--output", str(dist), "--hostname", "image", NAME, "python3", "-c", program).stdout)


def named(rule: str) -> list[str]:
    return sorted(name for match in RULES[rule].match for name in match.names)


def pattern(rule: str, position: int = 0) -> re.Pattern[str]:
    match = RULES[rule].match[position]
    return re.compile(match.matches or match.where[0].matches)


def test_what_is_recorded_of_the_image_is_so(dist: Path) -> None:
    image = base_image()
    has = in_image(dist, """
import json, os, subprocess, zoneinfo
names = lambda file: sorted(line.split(":")[0] for line in open(file) if ":" in line)
folders = [folder for folder in dict.fromkeys(os.environ["PATH"].split(":")) if os.path.isdir(folder)]
libraries = {name for folder in ("/lib", "/usr/local/lib", "/usr/lib") for name in os.listdir(folder) if ".so" in name}
print(json.dumps([
    sorted(f"{folder}/{name}" for folder in folders for name in os.listdir(folder)), sorted(libraries),
    sorted(zoneinfo.available_timezones()), names("/etc/passwd"), names("/etc/group"),
]))""")  # fmt: skip
    known = [image.programs, image.libraries, image.zones, image.users, image.groups]
    assert has == [sorted(names) for names in known], "python -m bench.check_code --record"


def test_options_that_are_refused_are_refused(dist: Path) -> None:
    wanted = {
        "cp": ["--preserve"],
        "date": ["--iso-8601"],
        "du": ["--max-depth"],
        "find": ["-printf", "-execdir"],
        "grep": ["-P", "--include"],
        "ls": ["--time-style"],
        "mktemp": ["--suffix"],
        "readlink": ["-m"],
        "sed": ["-z", "--posix"],
        "sort": ["-R"],
        "stat": ["--format"],
        "tar": ["--transform"],
        "xargs": ["-d"],
    }
    lacks = base_image().lacks
    for program, options in wanted.items():
        assert set(options) <= lacks[program]
    said = in_image(dist, f"""
import json, subprocess
print(json.dumps([subprocess.run([program, option], stdin=subprocess.DEVNULL, capture_output=True, text=True).stderr
                  for program, options in {wanted!r}.items() for option in options]))""")  # fmt: skip
    assert isinstance(said, list)
    assert [line for line in said if "unrecognized" not in line] == []


def test_functions_of_glibc_are_not_in_musl(dist: Path) -> None:
    functions = [name.removeprefix("*.") for name in named("glibc-function")]
    program = (
        f"import ctypes, json; libc = ctypes.CDLL(None); print(json.dumps([hasattr(libc, n) for n in {functions!r}]))"
    )
    assert in_image(dist, program) == [False] * len(functions)


@ON_GLIBC
def test_functions_of_glibc_are_in_glibc() -> None:
    libc = ctypes.CDLL("libc.so.6")
    functions = [name.removeprefix("*.") for name in named("glibc-function")]
    maths = ctypes.CDLL("libm.so.6")
    gone = {"getaddrinfo_a", "mallinfo"}  # in a library of its own before glibc 2.34; on some architectures alone
    assert [
        name for name in functions if not hasattr(libc, name) and not hasattr(maths, name) and name not in gone
    ] == []


def test_constants_of_glibc_are_not_in_the_image(dist: Path) -> None:
    constants = [name.split(".") for name in named("constant-missing")]
    program = (
        f"import importlib, json; print(json.dumps([hasattr(importlib.import_module(m), n) for m, n in {constants!r}]))"
    )
    assert in_image(dist, program) == [False] * len(constants)


@ON_GLIBC
def test_constants_of_glibc_are_on_glibc() -> None:
    for name in named("constant-missing"):
        module, constant = name.split(".")
        assert hasattr(importlib.import_module(module), constant), name


@ON_GLIBC
def test_configuration_names_of_glibc_are_the_ones_that_the_image_does_not_answer(dist: Path) -> None:
    program = """
import json, os
def answers(ask, name):
    try:
        ask(name)
    except (OSError, ValueError):
        return False
    return True
answered = [name for name in %r if answers(os.confstr, name)], [name for name in %r if answers(os.sysconf, name)]
print(json.dumps(answered))
"""
    here = [sorted(os.confstr_names), sorted(os.sysconf_names)]
    answered = in_image(dist, program % tuple(here))
    assert isinstance(answered, list)
    for position, names in enumerate(here):
        listed = {name for name in names if pattern("configuration-name", position).search(name)}
        assert listed == set(names) - set(answered[position])


def test_no_text_of_an_error_is_musls(dist: Path) -> None:
    program = """
import ctypes, json, os
libc = ctypes.CDLL(None)
libc.gai_strerror.restype = ctypes.c_char_p
print(json.dumps([*map(os.strerror, range(134)), *(libc.gai_strerror(-number).decode() for number in range(16))]))
"""
    texts = in_image(dist, program)
    assert isinstance(texts, list)
    assert [text for text in texts if pattern("error-text").search(text)] == []


@ON_GLIBC
def test_every_text_of_an_error_is_glibcs() -> None:
    libc = ctypes.CDLL(None)
    libc.gai_strerror.restype = ctypes.c_char_p
    texts = "\n".join([*map(os.strerror, range(134)), *(libc.gai_strerror(-number).decode() for number in range(16))])
    for alternative in re.split(r"\|(?![^(]*\))", pattern("error-text").pattern):
        assert re.search(alternative, texts), alternative


def test_protocols_that_are_not_listed_are_not_known(dist: Path) -> None:
    names = (
        re.findall(r"(?m)^([\w.-]+)\s+\d+", Path("/etc/protocols").read_text())
        if Path("/etc/protocols").exists()
        else []
    )
    names += ["sctp", "icmp", "tcp", "dccp", "ipv6-icmp", "ospf"]
    program = f"""
import json, socket
def knows(name):
    try:
        return socket.getprotobyname(name) >= 0
    except OSError:
        return False
print(json.dumps([name for name in {names!r} if knows(name)]))"""
    assert in_image(dist, program) == [name for name in names if not pattern("protocol-name").search(name)]
    assert socket.IPPROTO_SCTP == 132


NOT_IN_ASH = [
    ("${name^^}", "x=abc; echo ${x^^}"),
    ("${name^^}", "x=ABC; echo ${x,}"),
    ("${!name}", "x=y; z=x; echo ${!z}"),
    ("${name@Q}", "x='a b'; echo ${x@Q}"),
    ("${name[…]}", "f() { false; true | false; echo ${PIPESTATUS[1]}; }; f"),
    ("name=(…)", "a=(1 2); echo $a"),
    ("name+=…", "x=y; x+=z; echo $x"),
    ("<<<", "cat <<< here"),
    ("&>>", "echo y &>> /tmp/f; cat /tmp/f"),
    ("|&", "ls /nowhere |& wc -l"),
    ("{a,b} or {1..3}", "echo {1..3}"),
    ("{a,b} or {1..3}", "echo x{a,b}y"),
    ("((…))", "x=1; if ((x > 0)); then echo y; fi"),
    ("((…))", "((1 + 1)) && echo y"),
    ("for ((…))", "for ((i = 0; i < 3; i++)); do echo $i; done"),
    (";&", "case a in a) echo y;& b) echo z;; esac"),
    ("select", "select x in a b; do echo $x; break; done <<EOF\n1\nEOF"),
    ("declare", "declare x=y; echo $x"),
    ("typeset", "f() { typeset x=y; echo $x; }; f"),
    ("pushd", "pushd /tmp > /dev/null; pwd"),
    ("shopt", "shopt -s nullglob && echo y"),
    ("mapfile", "mapfile -t x < /etc/hosts && echo y"),
    ("builtin", "builtin echo y"),
    ("read -a", "echo a b | { read -r -a x; echo ${x[1]}; }"),
    ("export -f", "f() { echo y; }; export -f f; sh -c true"),
    ("exec -a", "exec -a name sh -c 'echo $0'"),
    ("printf -v", "printf -v x y; echo $x"),
    ("test -v", "test -v HOME && echo y"),
    ("test -v", "[ -v HOME ] && echo y"),
]
IN_ASH = [
    "[[ abc == a* ]] && echo y",
    "[[ abc =~ ^a ]] && echo y",
    "[[ -f /etc/passwd && -d /etc ]] && echo y",
    "cat <(echo y)",
    "x=abc; echo ${x:1:2} ${x: -2} ${x:(-1)} ${x//b/c} ${x/a/b} ${x%%b*} ${x#a} ${#x} ${x:-y}",
    "echo y &> /dev/null",
    "f() { local x=y; echo $x; }; f",
    "function f { echo y; }; f",
    "function f() { echo y; }; f",
    "echo $'a\\tb'",
    "x=1; let x=x+1; echo $x",
    "echo $((2 ** 3)) $((16 > 3)) $((0x10))",
    "set -euo pipefail; echo y",
    "echo 'declare {a,b}' \"{1..3}\" # pushd {a,b}",
    "echo a{b}c {} ${HOME}",
    "find /etc/hosts -exec echo {} +",
    "awk 'BEGIN { a = \"{x,y}\"; print a }'",
    "x=a; case $x in a | b) echo y ;; *) echo z ;; esac",
    "echo a; echo b & wait",
    "( (echo y) )",
    "( (echo y); echo z )",
    "read -r x < /etc/hosts; echo y",
    "export x=y z=1; echo $x",
    "printf '%s\\n' a b",
    "test -n x -a 1 = 1 && echo y",
    "echo y >| /tmp/z; cat /tmp/z",
    "type -P sh > /dev/null && echo y",
    "echo $(( (1+2) * 3 ))",
    "trap 'echo bye' EXIT; echo y",
    "ulimit -n > /dev/null; echo y",
    "getopts a: x -a b; echo $OPTARG",
    "echo ~root",
    'x=$(cat <<EOF\nhere {a,b}\nEOF\n); echo "$x"',
    "wait -n; echo y",
    "echo y 2>&1 | cat",
    "source /dev/null; echo y",
    "echo 1>&2 2>/dev/null; ! false && echo y",
    "git_log='a {b,c}'; echo \"$git_log\"",
    'echo "$(echo y)" `echo z`',
]
RUN = """
import json, subprocess
done = [subprocess.run([{shell!r}, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for script in {scripts!r}]
print(json.dumps([[one.returncode, one.stdout] for one in done]))
"""


@pytest.mark.parametrize("script", IN_ASH)
def test_nothing_is_said_of_what_ash_understands(script: str) -> None:
    assert bashisms(script) == []


def test_what_ash_understands_it_understands_as_bash_does(dist: Path) -> None:
    assert in_image(dist, RUN.format(shell="/bin/sh", scripts=IN_ASH)) == _bash(IN_ASH)


@pytest.mark.parametrize(("found", "script"), NOT_IN_ASH)
def test_what_ash_does_not_understand_is_pointed_out(found: str, script: str) -> None:
    assert found in bashisms(script)


def test_what_is_pointed_out_ash_does_not_do_as_bash_does(dist: Path) -> None:
    scripts = [script for _, script in NOT_IN_ASH]
    ash = in_image(dist, RUN.format(shell="/bin/sh", scripts=scripts))
    assert isinstance(ash, list)
    bash = _bash(scripts)
    assert [script for script, one, other in zip(scripts, ash, bash, strict=True) if one == other] == []
    shown = {found for found, _ in NOT_IN_ASH}
    assert {bashism.found for bashism in BASHISMS if not bashism.found.startswith("a word")} <= shown


def _bash(scripts: list[str]) -> list[list[object]]:
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    done = [
        subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for script in scripts
    ]
    return [[one.returncode, one.stdout] for one in done]
