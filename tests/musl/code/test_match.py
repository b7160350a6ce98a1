"""What a rule is found behind: imports, aliases, assignments, ways to run a command; and behind what it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bivy.arch import ARCHES
from bivy.musl.code import check_code
from bivy.musl.report import Part, Severity
from bivy.musl.target import make_target
from tests.musl.code.conftest import TARGET

FOUND = {
    "from time import strftime as s\ns('%k')": "strftime-directive",
    "import time as t\nt.strftime('100%')": "strftime-directive",
    "import datetime\ndatetime.datetime.now().strftime('%d%%%P')": "strftime-directive",
    "def f(when):\n    return f'{when:%l:%M}'": "strftime-directive",
    "def f(when):\n    return format(when, '%^a')": "strftime-directive",
    "FORMAT = '%-l'\ndef f(when):\n    return when.strftime(FORMAT)": "strftime-directive",
    "import datetime, pandas\ndatetime.datetime.now().strftime('%k')": "strftime-directive",
    "import os\nos.environ.setdefault('TZ', 'CET-1CEST')": "time-zone-without-rule",
    "import subprocess\nsubprocess.run(['ls'], env={'TZ': 'PST8PDT'})": "time-zone-without-rule",
    "def test(monkeypatch):\n    monkeypatch.setenv('TZ', 'EST5EDT')": "time-zone-without-rule",
    "import os\nos.environ.update(TZ='EST5EDT')": "time-zone-without-rule",
    "import locale as l\nl.setlocale(locale='fr_FR', category=l.LC_ALL)": "locale-name",
    "from locale import strcoll": "locale-order",
    "from ctypes import *\ncdll.LoadLibrary('libnsl.so.1')": "glibc-library",
    "import ctypes\nlibc = ctypes.CDLL(None)\ndef f():\n    libc.malloc_trim(0)": "glibc-function",
    "import ctypes\nclass C:\n    def __init__(self):\n        self.c = ctypes.CDLL(None)\n"
    "    def f(self):\n        self.c.mallopt(1, 2)": "glibc-function",
    "def f(libc):\n    return getattr(libc, 'gnu_get_libc_version')()": "glibc-function",
    "import ctypes, os\nctypes.CDLL('/lib/x86_64-linux-gnu/libc.so.6')": "glibc-library",
    "from os import RTLD_DEEPBIND": "constant-missing",
    "from os import *\nprint(RTLD_DEEPBIND)": "constant-missing",
    "import sys\nsys.setrecursionlimit(10 ** 6)": "recursion-limit",
    "import threading\nthreading.stack_size(1 << 26)": "thread-stack",
    "from multiprocessing import Lock\nfor i in range(9):\n    Lock()": "semaphore-count",
    "import multiprocessing as mp\nc = mp.get_context('spawn')\nqs = {i: c.Queue() for i in x}": "semaphore-count",
    "try:\n    pass\nexcept OSError as e:\n    if e.strerror == 'Illegal seek': pass": "error-text",
    "import pytest\nwith pytest.raises(OSError, match='Name or service not known'):\n    pass": "error-text",
    "def f(self):\n    self.assertIn('Connection timed out', str(self))": "error-text",
    "import shutil\nshutil.chown('x', user='www-data')": "user-missing",
    "URL = 'postgresql://user:pass@db.prod:5432/x'": "search-domain",
    "from zoneinfo import ZoneInfo\nZ = ZoneInfo(key='right/UTC')": "time-zone-unknown",
    "import subprocess\nsubprocess.run('git status', shell=True)": "program-missing",
    "import subprocess\nsubprocess.run('git')": "program-missing",
    "import subprocess\nCOMMAND = ['git', 'status']\nsubprocess.Popen(args=COMMAND)": "program-missing",
    "import subprocess\nsubprocess.run('git log --format=%H'.split())": "program-missing",
    "import shlex, subprocess\nsubprocess.run(shlex.split('git log'))": "program-missing",
    "import subprocess\ndef f(x):\n    subprocess.run(['git', *x])": "program-missing",
    "import subprocess\ndef f(x):\n    subprocess.run(['git'] + x)": "program-missing",
    "import subprocess\ndef f(x):\n    subprocess.run(f'cd {x} && git status', shell=True)": "program-missing",
    "import subprocess\ndef f(x):\n    subprocess.run('git show %s' % x, shell=True)": "program-missing",
    "import subprocess\nsubprocess.run(['sh', '-c', 'ls | perl -ne 1'])": "program-missing",
    "import subprocess\nsubprocess.run('ls', shell=True, executable='/bin/bash')": "program-missing",
    "import subprocess\nsubprocess.run(['/usr/bin/ls'])": "program-missing",
    "import os\nos.system('FOO=1 sudo ls')": "program-missing",
    "import os\nos.execvp('git', ['git', 'status'])": "program-missing",
    "import os\nos.execlp('git', 'git', 'status')": "program-missing",
    "import os\nos.spawnvp(os.P_WAIT, 'git', ['git', 'status'])": "program-missing",
    "import asyncio\nasync def f():\n    await asyncio.create_subprocess_exec('git', 'status')": "program-missing",
    "import asyncio\nasync def f():\n    await asyncio.create_subprocess_shell('git status')": "program-missing",
    "import pexpect\npexpect.spawn('ssh host')": "program-missing",
    "import subprocess\nsubprocess.run('if true; then git status; fi', shell=True)": "program-missing",
    "import subprocess\nsubprocess.run('echo $(date -d yesterday)', shell=True)": "busybox-words",
    "import subprocess\nsubprocess.run(['ps', 'aux'])": "busybox-words",
    "import subprocess\nsubprocess.run(['find', '.', '-printf', '%p'])": "busybox-option",
    "import subprocess\nsubprocess.run('ls -1 --time-style=iso', shell=True)": "busybox-option",
    "import subprocess\nsubprocess.run('cat x | xargs -d, echo', shell=True)": "busybox-option",
    "import os\nos.popen('cat <<< hello')": "bash-words",
}
NOT_FOUND = [
    "def strftime(f): ...\nstrftime('%k')",
    "import time\ntime.strftime('%%k %-d %_H %s %EY %10Y %%')",
    "'''A text: git, %k, /etc/localtime'''\nx = 1\n'/etc/localtime'",
    "import time\ndef f(time):\n    time.sched_getparam(0)",
    "from elsewhere import subprocess\nsubprocess.run(['git'])",
    "from . import os\nos.getlogin()",
    "import os\ndef f(os):\n    os.getlogin()",
    "import os\nfor os in []:\n    os.getlogin()",
    "import subprocess\nsubprocess.run(['git' if x else 'ls'])",
    "import subprocess\nCOMMAND = ['git']\nCOMMAND = ['ls']\nsubprocess.run(COMMAND)",
    "import subprocess\ndef f(x):\n    subprocess.run([x, 'git']); subprocess.run(f'{x} git', shell=True)",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip']); subprocess.run(['python3', '-m', 'pip'])",
    "import subprocess\nsubprocess.run('f() { ls; }; f', shell=True)",
    "import subprocess\nsubprocess.run('case $1 in git) ls;; esac', shell=True)",
    "import subprocess\nsubprocess.run('cat > x <<EOF\\ngit status\\nEOF', shell=True)",
    "import subprocess\nsubprocess.run('echo git; ls # git', shell=True)",
    "import subprocess\nsubprocess.run(['xargs', 'frob', '-d']); subprocess.run(['grep', '-e', '-P', 'x'])",
    "import subprocess\nsubprocess.run(['ls', '--', '--time-style'])",
    "import os\nos.environ['TZ'] = 'UTC'\nos.environ['X'] = 'EST5EDT'",
    "import multiprocessing, threading\nlocks = [threading.Lock() for x in y]\nlock = multiprocessing.Lock()",
    "import multiprocessing\nfor x in y:\n    def f():\n        return multiprocessing.Lock()",
    "print('Address already in use')\nraise OSError('Address already in use')",
    "f'{1:%}' + f'{1:.1%}' + format(1, '%')",
    "import sys\nsys.setrecursionlimit(10_000)\ndef f(n):\n    sys.setrecursionlimit(n)",
    "import ctypes\nctypes.CDLL('libc.so.6').free(0); ctypes.CDLL('kernel32.dll'); ctypes.CDLL('./libown.so')",
    "import pandas as pd\npd.Period('2026').strftime('%q'); x.dt.strftime('%l')\ndef f(x):\n    x.strftime('%l')",
    "import locale\nlocale.setlocale(locale.LC_ALL, 'German_Germany.1252')",
    "import zoneinfo\nzoneinfo.ZoneInfo('America/Argentina/Buenos_Aires')",
]


@pytest.mark.parametrize(("code", "rule"), FOUND.items())
def test_it_is_found(code: str, rule: str, rules_found: Callable[..., list[str]]) -> None:
    found = rules_found("x = y = []\n" + code) if " x" in code and "def " not in code else rules_found(code)
    assert found == [rule]


@pytest.mark.parametrize("code", NOT_FOUND)
def test_nothing_is_found(code: str, rules_found: Callable[..., list[str]]) -> None:
    assert rules_found(code) == []


@pytest.mark.parametrize(
    "guard",
    [
        "try:\n    {}\nexcept OSError:\n    x = None",
        "try:\n    {}\nexcept (ValueError, FileNotFoundError) as error:\n    print(error)",
        "try:\n    {}\nexcept Exception:\n    pass",
        "try:\n    {}\nexcept:\n    pass",
        "import contextlib\nwith contextlib.suppress(OSError):\n    {}",
        "import shutil\nif shutil.which('git'):\n    {}",
    ],
)
def test_what_the_code_copes_with_is_a_note(guard: str, check: Callable[..., Part]) -> None:
    part = check("import subprocess\n" + guard.format("subprocess.run(['git', 'status'])"))
    assert [(finding.rule.name, finding.weight) for finding in part.findings] == [("program-missing", Severity.NOTE)]
    assert part.findings[0].message.endswith("the code copes with that")


@pytest.mark.parametrize(
    "guard",
    [
        "try:\n    {}\nexcept OSError as error:\n    raise SystemExit from error",
        "try:\n    {}\nexcept ValueError:\n    pass",
        "try:\n    pass\nexcept OSError:\n    {}",
        "try:\n    def f():\n        {}\nexcept OSError:\n    pass",
        "import shutil\nif shutil.which('hg'):\n    {}",
    ],
)
def test_what_the_code_does_not_cope_with_is_no_note(guard: str, check: Callable[..., Part]) -> None:
    part = check("import subprocess\n" + guard.format("subprocess.run(['git', 'status'])"))
    assert [finding.weight for finding in part.findings] == [Severity.WARNING]


@pytest.mark.parametrize(
    "code",
    [
        "if sys.platform == 'win32':\n    {}",
        "if sys.platform.startswith(('win', 'darwin')):\n    {}",
        "if 'linux' != sys.platform:\n    {}",
        "if os.name == 'nt':\n    {}\nelse:\n    pass",
        "if os.name != 'nt':\n    pass\nelse:\n    {}",
        "if not sys.platform in ('linux', 'darwin'):\n    {}",
        "import platform\nif platform.system() == 'Darwin' and x:\n    {}",
        "WINDOWS = os.name == 'nt'\nif WINDOWS:\n    {}",
        "def f():\n    if sys.platform == 'linux':\n        return\n    {}",
        "for x in y:\n    if sys.platform != 'win32':\n        continue\n    {}",
        "x = {} if sys.platform == 'win32' else None",
        "x = sys.platform == 'win32' and {}",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}",
        "if sys.version_info < (3, 13):\n    {}",
        "if sys.version_info[0] == 2:\n    {}",
        "if sys.version_info[:2] <= (3, 12):\n    {}",
        "if sys.version_info.major < 3:\n    {}",
        "if sys.version_info >= (3, 14):\n    pass\nelse:\n    {}",
        "while True:\n    if sys.platform == 'linux':\n        sys.exit(1)\n    {}",
    ],
)
def test_what_no_linux_or_no_python_of_the_targets_reaches_is_passed_over(
    code: str, rules_found: Callable[..., list[str]]
) -> None:
    assert rules_found("import os, sys\n" + code.format("os.getlogin()")) == []


@pytest.mark.parametrize(
    "code",
    [
        "if sys.platform == 'linux':\n    {}",
        "if sys.platform in ('linux', 'darwin') and x:\n    {}",
        "if os.name == 'nt' or x:\n    {}",
        "if not os.name == 'nt':\n    {}",
        "if sys.version_info >= (3, 8):\n    {}",
        "if x:\n    return_ = 1\n{}",
        "if sys.platform == 'win32':\n    raise OSError\n{}",
        "if sys.platform == x:\n    {}",
        "if sys.version_info > x:\n    {}",
        "if sys.platform < 3:\n    {}",
    ],
)
def test_what_may_be_reached_is_read(code: str, rules_found: Callable[..., list[str]]) -> None:
    assert rules_found("import os, sys\nx = f()\n" + code.format("os.getlogin()")) == ["login-name"]


def test_a_finding_names_the_targets_it_is_true_for_unless_it_is_for_all(check: Callable[..., Part]) -> None:
    older = make_target("3.12", ARCHES["aarch64"], "1.2.5")
    part = check("import crypt, os\nos.getlogin()\n", (TARGET, older))
    assert [(finding.rule.name, finding.targets) for finding in part.findings] == [
        ("module-removed", (TARGET,)),
        ("login-name", ()),
    ]
    assert check("import sys\nif sys.version_info < (3, 13):\n    import crypt\n", (TARGET, older)).findings == ()
    only = check("import os, sys\nif sys.version_info < (3, 13):\n    os.getlogin()\n", (TARGET, older))
    assert [finding.targets for finding in only.findings] == [(older,)]


def test_what_another_image_has_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    import msgspec

    from bivy.musl.code import base_image

    file = tmp_path_factory.mktemp("code") / "code.py"
    file.write_text("import subprocess\nsubprocess.run(['git'])\nsubprocess.run(['grep', '-P'])\n")
    base = base_image()
    image = msgspec.structs.replace(base, programs=base.programs | {"/usr/bin/git"}, applets=base.applets - {"grep"})
    assert check_code([file], targets=[TARGET], image=image).findings == ()
    assert len(check_code([file], targets=[TARGET]).findings) == 2
