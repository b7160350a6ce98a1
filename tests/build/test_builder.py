"""Recipes become packages: real builds of small programs, and what happens when something goes wrong."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bivy.apk.entry import Entry, Kind
from bivy.apk.package import Package, read_package
from bivy.arch import ARCHES, build_machine
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.toolchain import find_toolchain
from bivy.elf import read_elf
from bivy.errors import BivyError
from bivy.progress import Outcome, Silent
from bivy.source.places import Mirrors

WriteRecipe = Callable[..., Path]

LIBRARY = {"answer.c": "int answer(void) { return 42; }\n", "answer.h": "int answer(void);\n"}
LIBRARY_BODY = """
[[pipeline]]
runs = '''
cc $CFLAGS $LDFLAGS -shared -Wl,-soname,libanswer.so.1 -o libanswer.so.1.2 answer.c
mkdir -p $DESTDIR/usr/lib $DESTDIR/usr/include $DESTDIR/usr/share/man/man1
cp libanswer.so.1.2 $DESTDIR/usr/lib/
ln -s libanswer.so.1.2 $DESTDIR/usr/lib/libanswer.so.1
ln -s libanswer.so.1 $DESTDIR/usr/lib/libanswer.so
cp answer.h $DESTDIR/usr/include/
echo page > $DESTDIR/usr/share/man/man1/answer.1
'''
[[subpackages]]
name = "answer-dev"
files = ["usr/include", "usr/lib/libanswer.so"]
[check]
files = ["usr/lib/libanswer.so.1"]
provides = ["so:libanswer.so.1"]
"""
PROGRAM = {"ask.c": "#include <answer.h>\nint main(void) { return answer(); }\n",
           "Makefile": "ask: ask.c\n\t$(CC) -o ask ask.c -lanswer\n"
           "install: ask\n\tmkdir -p $(DESTDIR)/usr/bin\n\tcp ask $(DESTDIR)/usr/bin/\n"}  # fmt: skip
PROGRAM_BODY = """
makedepends = ["answer-dev"]
[[pipeline]]
uses = "make"
[[pipeline]]
uses = "install"
"""


class Recorder(Silent):
    """A watcher that remembers how tasks ended and what was said."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, Outcome]] = []
        self.said: list[str] = []

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:  # noqa: ARG002
        self.ended.append((key, outcome))

    def say(self, message: str) -> None:
        self.said.append(message)


def make(
    recipes: Path, cache: Path, *names: str, arch: str = build_machine().name
) -> tuple[dict[str, Package], Recorder]:
    watcher = Recorder()
    nodes = plan(names, ARCHES[arch], Recipes(recipes))
    found = build(nodes, cache=cache, jobs=2, mirrors=Mirrors(()), progress=watcher)
    packages = [read_package(path) for paths in found.values() for path in paths]
    return {package.info.name: package for package in packages}, watcher


def entry_at(package: Package, path: str) -> Entry:
    return next(entry for entry in package.entries if entry.path == path)


def built(watcher: Recorder) -> list[str]:
    return [key for key, _ in watcher.ended if key.startswith("build ")]


def test_a_library_and_a_program_that_uses_it_become_packages_that_name_each_other(
    write_recipe: WriteRecipe, cache: Path
) -> None:
    write_recipe("answer", LIBRARY_BODY, LIBRARY)
    recipes = write_recipe("ask", PROGRAM_BODY, PROGRAM)
    packages, _ = make(recipes, cache, "ask")
    libc = build_machine().libc
    assert set(packages) == {"answer", "answer-dev", "ask"}
    assert packages["answer"].info.provides == ("so:libanswer.so.1=1.2",)
    assert packages["answer"].info.depends == ()  # it calls nothing of libc's
    assert packages["answer-dev"].info.depends == ("answer=1.0-r0",)
    assert {depend.partition(">=")[0] for depend in packages["ask"].info.depends} == {
        f"so:{libc}", "musl", "so:libanswer.so.1"
    }  # fmt: skip
    assert packages["ask"].info.provides == ("cmd:ask=1.0-r0",)


def test_libraries_are_asked_for_in_the_versions_that_were_built_against(
    write_recipe: WriteRecipe, cache: Path
) -> None:
    mute = LIBRARY_BODY.replace("libanswer.so.1.2", "libmute.so.3").replace("libanswer.so.1", "libmute.so.3")
    mute = mute.replace("ln -s libmute.so.3 $DESTDIR/usr/lib/libmute.so.3", ":").replace("answer", "mute")
    sources = {name.replace("answer", "mute"): text.replace("answer", "mute") for name, text in LIBRARY.items()}
    write_recipe("answer", LIBRARY_BODY, LIBRARY)
    write_recipe("mute", mute, sources)
    program = {
        "ask.c": "int answer(void), mute(void);\nint main(void) { return answer() - mute(); }\n",
        "Makefile": PROGRAM["Makefile"].replace("-lanswer", "-lanswer -lmute"),
    }
    recipes = write_recipe("ask", PROGRAM_BODY.replace('"answer-dev"', '"answer-dev", "mute-dev"'), program)
    packages, _ = make(recipes, cache, "ask")
    musl = find_toolchain(build_machine(), build_machine()).musl
    assert packages["mute"].info.provides == ("so:libmute.so.3=3",)
    assert packages["ask"].info.depends == (
        "musl>=" + musl, "mute>=1.0", "so:libanswer.so.1>=1.2", f"so:{build_machine().libc}>=1", "so:libmute.so.3>=3",
    )  # fmt: skip


def test_scripts_and_what_else_a_recipe_says_are_in_its_packages(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("pair", """
scripts = { post-install = "after.sh" }
provider_priority = 10
replaces_priority = 20
[[pipeline]]
runs = "mkdir -p $DESTDIR/usr/share/pair $DESTDIR/usr/share/other; touch $DESTDIR/usr/share/pair/a $DESTDIR/usr/share/other/b"
[[subpackages]]
name = "pair-other"
files = ["usr/share/other"]
install_if = ["pair=1.0-r0", "more"]
triggers = ["/usr/share/other", "/usr/lib/*"]
scripts = { trigger = "changed.sh" }
""", {"x": ""}, {"after.sh": "#!/bin/sh\necho after\n", "changed.sh": "#!/bin/busybox sh\necho changed\n"})  # fmt: skip # noqa: E501
    packages, _ = make(recipes, cache, "pair")
    main, other = packages["pair"], packages["pair-other"]
    assert main.scripts == {"post-install": b"#!/bin/sh\necho after\n"}
    assert (main.info.provider_priority, main.info.replaces_priority) == (10, 20)
    assert main.info.depends == ("/bin/sh",)
    assert other.scripts == {"trigger": b"#!/bin/busybox sh\necho changed\n"}
    assert other.info.install_if == ("pair=1.0-r0", "more")
    assert other.info.triggers == ("/usr/share/other", "/usr/lib/*")
    assert other.info.depends == ("/bin/busybox",)


def test_documentation_is_left_out_and_owners_are_root(write_recipe: WriteRecipe, cache: Path) -> None:
    packages, _ = make(write_recipe("answer", LIBRARY_BODY, LIBRARY), cache, "answer")
    entries = [entry for package in packages.values() for entry in package.entries]
    assert not [entry.path for entry in entries if entry.path.startswith("usr/share")]
    assert {(entry.uid, entry.gid, entry.user, entry.group) for entry in entries} == {(0, 0, "root", "root")}
    assert entry_at(packages["answer-dev"], "usr/lib/libanswer.so").kind is Kind.SYMLINK


def test_a_file_that_runs_as_its_owner_has_to_be_declared(write_recipe: WriteRecipe, cache: Path) -> None:
    body = '[[pipeline]]\nruns = "mkdir -p $DESTDIR/bin; echo > $DESTDIR/bin/su; chmod 4755 $DESTDIR/bin/su"\n'
    recipes = write_recipe("rise", body)
    with pytest.raises(BivyError, match=r"rise-1\.0-r0: bin/su was installed with mode 4755") as caught:
        make(recipes, cache, "rise")
    assert 'mode = "4755"' in str(caught.value.hint)
    write_recipe("rise", body + '[permissions."bin/su"]\nmode = "4755"\n')
    packages, _ = make(recipes, cache, "rise")
    assert entry_at(packages["rise"], "bin/su").mode == 0o4755


def test_nothing_changed_and_nothing_is_built(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("answer", LIBRARY_BODY, LIBRARY)
    _, first = make(recipes, cache, "answer")
    _, second = make(recipes, cache, "answer")
    assert built(first) == ["build answer-1.0-r0"]
    assert built(second) == []


def test_the_same_recipe_gives_the_same_bytes_in_another_cache(
    write_recipe: WriteRecipe, cache: Path, tmp_path: Path
) -> None:
    recipes = write_recipe("answer", LIBRARY_BODY, LIBRARY)
    make(recipes, cache, "answer")
    other = tmp_path / "elsewhere" / "cache"
    other.mkdir(parents=True)
    (other / "runtime").symlink_to(cache / "runtime")
    make(recipes, other, "answer")
    first, second = (sorted(folder.glob("packages/*/*.apk")) for folder in (cache, other))
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("arch", ARCHES)
def test_packages_are_cross_built_for_every_architecture(write_recipe: WriteRecipe, cache: Path, arch: str) -> None:
    write_recipe("answer", LIBRARY_BODY, LIBRARY)
    recipes = write_recipe("ask", PROGRAM_BODY, PROGRAM)
    packages, _ = make(recipes, cache, "ask", arch=arch)
    target = ARCHES[arch]
    for package, path in (("answer", "usr/lib/libanswer.so.1.2"), ("ask", "usr/bin/ask")):
        elf = read_elf(entry_at(packages[package], path).content)
        assert (elf.machine, elf.bits, elf.big_endian) == (target.elf, target.bits, target.big_endian)
        assert packages[package].info.arch == arch
    assert f"so:{target.libc}>=1" in packages["ask"].info.depends
    assert elf.interpreter == f"/lib/{target.loader}"


def test_a_step_sees_neither_network_nor_the_machines_compiler_nor_its_variables(
    write_recipe: WriteRecipe, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "told")
    recipes = write_recipe("look", """
[[pipeline]]
runs = '''
mkdir -p $DESTDIR/found
env | sort > $DESTDIR/found/environment
for program in gcc cc1 clang ld as nm strip pkg-config git bash curl; do
    command -v $program >> $DESTDIR/found/programs || :
done
cat /proc/net/dev > $DESTDIR/found/network
ls /usr/include > $DESTDIR/found/headers || :
ls -a / > $DESTDIR/found/root
pwd > $DESTDIR/found/folder
'''
""", {"x": ""})  # fmt: skip
    packages, watcher = make(recipes, cache, "look")
    if any("without a sandbox" in line for line in watcher.said):
        pytest.skip("this machine does not allow user namespaces, and so no sandbox")
    found = {e.path: e.content.decode() for e in packages["look"].entries}
    assert "SECRET" not in found["found/environment"]
    assert "DESTDIR=/bivy/out" in found["found/environment"]
    assert found["found/programs"].split() == ["/bivy/bin/pkg-config"]
    assert [line.split(":")[0].strip() for line in found["found/network"].splitlines()[2:]] == ["lo"]
    assert found["found/headers"] == ""
    assert "home" not in found["found/root"].split()
    assert found["found/folder"] == "/bivy/src/look\n"


def test_without_a_sandbox_it_says_so_and_builds(
    write_recipe: WriteRecipe, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bivy.build import workshop

    workshop.sandbox_fault.cache_clear()
    monkeypatch.setenv("BIVY_SANDBOX", "0")
    try:
        packages, watcher = make(write_recipe("answer", LIBRARY_BODY, LIBRARY), cache, "answer")
    finally:
        workshop.sandbox_fault.cache_clear()
    assert len([line for line in watcher.said if "without a sandbox" in line]) == 1
    assert "answer" in packages


def test_a_failing_step_shows_its_last_lines_and_its_log_and_leaves_nothing(
    write_recipe: WriteRecipe, cache: Path
) -> None:
    recipes = write_recipe("broken", """
[[pipeline]]
runs = "echo it went well so far; echo then it did not >&2; exit 3"
""", {"x": ""})  # fmt: skip
    with pytest.raises(BivyError, match=r"broken-1.0-r0: step 1 \(script\) ended with 3") as caught:
        make(recipes, cache, "broken")
    assert "then it did not" in str(caught.value)
    assert caught.value.hint is not None
    log = Path(caught.value.hint.split()[-1])
    assert "it went well so far" in log.read_text()
    assert list(cache.glob("work/*")) == []
    assert list(cache.glob("packages/*")) == []


def test_a_patch_that_does_not_apply_is_named(write_recipe: WriteRecipe, cache: Path) -> None:
    patch = "--- a/answer.c\n+++ b/answer.c\n@@ -1 +1 @@\n-int other(void);\n+int another(void);\n"
    write_recipe("answer", LIBRARY_BODY, LIBRARY, {"fix.patch": patch})
    path = write_recipe("answer", LIBRARY_BODY, LIBRARY) / "answer" / "recipe.toml"
    path.write_text(
        path.read_text().replace(
            '[[sources]]\nname = "answer"', '[[sources]]\nname = "answer"\npatches = ["fix.patch"]'
        )
    )
    with pytest.raises(BivyError, match=r"the patch fix\.patch does not apply"):
        make(path.parents[1], cache, "answer")


def test_a_check_that_does_not_hold_fails_the_build(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("answer", LIBRARY_BODY.replace('"so:libanswer.so.1"]', '"so:libquestion.so.1"]'), LIBRARY)
    with pytest.raises(BivyError, match=r"answer was built, but lacks so:libquestion\.so\.1"):
        make(recipes, cache, "answer")


def test_a_library_for_another_machine_is_refused(write_recipe: WriteRecipe, cache: Path) -> None:
    other = "aarch64" if build_machine().name != "aarch64" else "x86_64"
    recipes = write_recipe("answer", LIBRARY_BODY.replace("cc $CFLAGS", "build-cc $CFLAGS"), LIBRARY)
    with pytest.raises(BivyError, match=f"not for {other}"):
        make(recipes, cache, "answer", arch=other)


def test_a_damaged_package_in_the_cache_is_built_again(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("answer", LIBRARY_BODY, LIBRARY)
    make(recipes, cache, "answer")
    package = next(cache.glob("packages/*/answer-1.0-r0.apk"))
    whole = package.read_bytes()
    package.write_bytes(whole[:-10] + bytes(10))
    _, watcher = make(recipes, cache, "answer")
    assert built(watcher) == ["build answer-1.0-r0"]
    assert package.read_bytes() == whole


SLOW_BODY = """
[[pipeline]]
runs = '''
touch $DESTDIR/started
if [ -e $RECIPE/wait ]; then while :; do sleep 0.1; done; fi
cc -o $DESTDIR/answer -shared answer.c
'''
"""


def start(recipes: Path, cache: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bivy.build", name, "--recipes", str(recipes)],
        env={**os.environ, "BIVY_CACHE": str(cache)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def waiting_processes(recipes: Path) -> list[str]:
    """List the processes that run the slow step of a recipe of this test."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        words = read_or_nothing(process / "cmdline")
        if b"$RECIPE/wait" in words and str(recipes).encode() in words:
            found.append(process.name)
    return found


def read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_was_ended_leaves_no_process_and_the_next_one_succeeds(
    write_recipe: WriteRecipe, cache: Path, number: signal.Signals
) -> None:
    recipes = write_recipe("slow", SLOW_BODY, {"answer.c": "int answer;\n"}, {"wait": ""})
    process = start(recipes, cache, "slow")
    wait_for(lambda: list(cache.glob("work/*/out/started")))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    wait_for(lambda: not waiting_processes(recipes))
    assert list(cache.glob("packages/*")) == []
    if number is signal.SIGINT:
        assert list(cache.glob("work/*")) == []
    (recipes / "slow" / "wait").unlink()
    packages, _ = make(recipes, cache, "slow")
    assert "slow" in packages
    assert list(cache.glob("work/*")) == []


def test_two_builds_at_once_do_the_work_once_and_both_end_well(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("answer", LIBRARY_BODY, LIBRARY)
    processes = [start(recipes, cache, "answer") for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0][0] == outputs[1][0]
    assert sum(errors.count("build answer-1.0-r0: done") for _, errors in outputs) == 1


RELOCATED = """
#include <string.h>
static int a, b;
int *p[] = {&a, &b, &a, &b};
int main(int count, char **words) { return *p[count] + (int)strlen(words[0]); }
"""
RELOCATED_BODY = """
[[pipeline]]
runs = '''
mkdir -p $DESTDIR/usr/bin $DESTDIR/usr/lib
cc $CFLAGS $LDFLAGS -shared -o $DESTDIR/usr/lib/packed.so relocated.c >packed.txt 2>&1
cc $CFLAGS -shared -o $DESTDIR/usr/lib/plain.so relocated.c >plain.txt 2>&1
cc $CFLAGS $LDFLAGS -fPIE -pie -o $DESTDIR/usr/bin/packed relocated.c
diff packed.txt plain.txt
if cc $LDFLAGS -shared -o wrong.so wrong.c 2>said.txt; then exit 1; fi
grep -q nonsense said.txt
cc $LDFLAGS -E only.c >only.txt
grep -q 'int only' only.txt
'''
"""


def tags(elf: ELFFile) -> set[str]:
    section = elf.get_section_by_name(".dynamic")
    assert isinstance(section, DynamicSection)
    return {tag.entry.d_tag for tag in section.iter_tags()}


def names(elf: ELFFile) -> set[str]:
    section = elf.get_section_by_name(".dynsym")
    assert isinstance(section, SymbolTableSection)
    return {symbol.name for symbol in section.iter_symbols()}


def test_relocations_are_packed_for_who_links_with_the_usual_flags(write_recipe: WriteRecipe, cache: Path) -> None:
    files = {"relocated.c": RELOCATED, "wrong.c": "nonsense\n", "only.c": "int only;\n"}
    packages, _ = make(write_recipe("packed", RELOCATED_BODY, files), cache, "packed")
    found = {
        path: ELFFile(io.BytesIO(entry_at(packages["packed"], path).content))
        for path in ("usr/lib/packed.so", "usr/lib/plain.so", "usr/bin/packed")
    }
    assert {path for path, elf in found.items() if "DT_RELR" in tags(elf)} == {"usr/lib/packed.so", "usr/bin/packed"}
    # The same symbols: the linker was called in the same way.
    packed, plain = names(found["usr/lib/packed.so"]), names(found["usr/lib/plain.so"])
    assert packed == plain >= {"strlen", "p", "main"}
