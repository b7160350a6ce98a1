"""Install scripts and triggers, run by a real shell in a real sandbox, and what they leave in the tree."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bivy import sandbox
from bivy.apk.database import Recorded, recorded
from bivy.apk.entry import Entry, Kind
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package
from bivy.arch import ARCHES, build_machine
from bivy.errors import BivyError
from bivy.progress import Lines
from bivy.rootfs import scripts
from bivy.rootfs.disk import memory_folder
from bivy.rootfs.install import install
from bivy.rootfs.scripts import Scripted, matches, run_scripts
from bivy.rootfs.tree import Tree, merge
from tests.rootfs.trees import contents, file, folder, hardlink, symlink

EPOCH = 1_767_225_600
Run = Callable[..., Scripted]


def package(name: str, *entries: Entry, triggers: tuple[str, ...] = (), version: str = "1-r0", **kinds: str) -> Package:
    """A package with scripts, whose names are written with ``_``; a line that names the shell is put before each."""
    info = replace(PackageInfo(name, version, "x86_64", "", "", "MIT"), triggers=triggers)
    found = {kind.replace("_", "-"): f"#!/bin/sh\n{text}\n".encode() for kind, text in kinds.items()}
    return Package(info, entries, found, f"Q1{name}", 0)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder for temporary files, in memory where that can be had."""
    memory = memory_folder(1 << 20)
    if memory is None:
        yield tmp_path / "scratch"
        return
    folder = memory / f"test-{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def run(shell: list[Package], scratch: Path) -> Run:
    """A function that installs packages on top of a shell and runs their scripts."""

    def run(*packages: Package, below: Sequence[Recorded] = (), **how: object) -> Scripted:
        chosen = [*shell, *packages]
        options = {"arch": build_machine(), "scratch": scratch, "epoch": EPOCH, "below": below, **how}
        return run_scripts(install([chosen]), chosen, **options)  # type: ignore[arg-type]

    return run


def files(done: Scripted) -> dict[str, bytes | str]:
    """What the scripts made or changed, folders and what any user brings aside."""
    return {path: seen for path, seen in contents(done.changes).items() if seen != "/" and not path.endswith("-")}


pytestmark = pytest.mark.image


def test_what_scripts_write_change_and_remove_becomes_part_of_the_tree(run: Run) -> None:
    text = """
    echo new > /etc/made; chmod 600 /etc/made
    mkdir -p -m 711 /srv/deep/folder
    ln -s made /etc/link
    echo more >> /usr/share/a/changed
    chmod 4755 /usr/share/a/program
    rm /usr/share/a/gone
    rm -r /usr/share/a/folder
    ln -s /run /usr/share/a/folder
    """
    done = run(
        package(
            "a", file("usr/share/a/changed", b"text\n", uid=7), file("usr/share/a/gone"), file("usr/share/a/stays"),
            file("usr/share/a/program", b"program", 0o755, xattrs=(("user.x", b"y"),)),
            file("usr/share/a/folder/x"), post_install=text,
        )
    )  # fmt: skip
    assert files(done) == {
        "etc/made": b"new\n",
        "etc/link": "-> made",
        "usr/share/a/changed": b"text\nmore\n",
        "usr/share/a/program": b"program",
        "usr/share/a/folder": "-> /run",
    }
    changes = done.changes.entries
    assert (changes["etc/made"].mode, changes["etc/made"].uid) == (0o600, 0)
    assert (changes["srv/deep"].kind, changes["srv/deep/folder"].mode) == (Kind.DIRECTORY, 0o711)
    assert changes["usr/share/a/changed"].uid == 7
    assert changes["usr/share/a/program"].mode == 0o4755
    assert changes["usr/share/a/program"].xattrs == (("user.x", b"y"),)
    assert {entry.mtime for path, entry in changes.items() if entry.kind is Kind.FILE} == {EPOCH}
    (tree,) = done.trees
    assert {path for path in contents(tree) if path.startswith("usr/share/a/")} == {
        "usr/share/a/changed", "usr/share/a/program", "usr/share/a/stays",
    }  # fmt: skip
    assert contents(merge(tree, changes.values()))["usr/share/a/folder"] == "-> /run"


def test_without_scripts_nothing_is_run_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "why_no_sandbox", lambda: "there is none")
    packages = [package("a", file("usr/a"), trigger="exit 1", triggers=("/var/*",))]
    trees = install([packages])
    done = run_scripts(trees, packages, arch=ARCHES["x86_64"], scratch=tmp_path / "scratch", epoch=EPOCH)
    assert (list(done.trees), list(done.packages), contents(done.changes)) == (trees, packages, {})
    assert not (tmp_path / "scratch").exists()


def test_scripts_get_what_apk_gives_them(run: Run) -> None:
    text = 'echo "$0 $# $1 $PATH $(pwd) $(umask) $(id -u):$(id -g)" > /seen; env | sort > /env; cat > /input'
    done = run(package("a", post_install=text))
    seen = files(done)
    assert seen["seen"] == b"/.bivy-exec/a-1-r0.post-install 1 1-r0 /usr/sbin:/usr/bin:/sbin:/bin / 0022 0:0\n"
    assert seen["env"] == (
        b"LC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSHLVL=1\nSOURCE_DATE_EPOCH=1767225600\nTZ=UTC\n"
    )
    assert seen["input"] == b""


def test_a_pre_install_script_runs_before_its_package_and_after_those_before_it(run: Run) -> None:
    done = run(
        package("a", file("usr/a"), post_install="echo a-post >> /order"),
        package("b", file("usr/b"), pre_install="ls /usr | grep '^.$' >> /order", post_install="ls /usr/b >> /order"),
        package("c", file("usr/c")),
    )
    assert files(done) == {"order": b"a-post\na\n/usr/b\n"}


def test_triggers_run_last_with_the_folders_that_they_watch_in_order(run: Run) -> None:
    text = 'echo "$0: $*" >> /order'
    done = run(
        package("a", folder("var/a"), trigger=text, triggers=("/usr/lib/*", "/usr/share", "relative", "/nothing")),
        package(
            "b",
            folder("usr/lib/z"),
            file("usr/lib/z/deep/x"),
            file("usr/lib/y/x"),
            folder("usr/share"),
            post_install=text,
        ),
    )
    assert files(done)["order"] == (
        b"/.bivy-exec/b-1-r0.post-install: 1-r0\n/.bivy-exec/a-1-r0.trigger: /usr/lib/y /usr/lib/z /usr/share\n"
    )


@pytest.mark.parametrize(
    ("pattern", "folder_", "fits"),
    [
        ("/usr/lib/*", "/usr/lib/a", True), ("/usr/lib/*", "/usr/lib/a/b", False), ("/usr/lib/*", "/usr/lib", False),
        ("/lib/modules/*", "/lib/modules/.hidden", True), ("usr", "/usr", False), ("/u[rs]r", "/usr", True),
        ("/", "/", True), ("/*", "/usr", True), ("/*/lib", "/usr/lib", True),
    ],
)  # fmt: skip
def test_a_pattern_of_folders_is_as_fnmatch_has_it(pattern: str, folder_: str, *, fits: bool) -> None:
    assert matches(pattern, folder_) is fits


def test_what_was_there_before_runs_its_trigger_for_new_folders_only(shell: list[Package], scratch: Path) -> None:
    old = package("old", folder("usr/old"), trigger='echo "$*" > /seen', post_install="exit 1", triggers=("/usr/*",))
    new = package("new", file("usr/new/x"))
    below = [recorded(each) for each in (*shell, old)]
    trees = install([[*shell, old], [new]])
    done = run_scripts(trees, [new], below=below, arch=build_machine(), scratch=scratch, epoch=EPOCH)
    assert files(done) == {"seen": b"/usr/new\n"}


def test_a_package_of_a_base_s_name_runs_the_scripts_of_an_upgrade(run: Run) -> None:
    old = recorded(package("a", version="1-r0"))
    text = 'echo "$0 $*" >> /seen'
    new = package("a", version="2-r0", pre_install="exit 1", pre_upgrade=text, post_upgrade=text)
    start = "/.bivy-exec/a-2-r0"
    assert files(run(new, below=[old])) == {
        "seen": f"{start}.pre-upgrade 2-r0 1-r0\n{start}.post-upgrade 2-r0 1-r0\n".encode()
    }


def test_users_of_a_pre_install_script_own_files_given_by_name(run: Run) -> None:
    add = "addgroup -S -g 321 web; adduser -S -u 444 -H -D -G web -h /srv web"
    owned = file("srv/web/data", b"x", uid=999, gid=999, user="web", group="web")
    unknown = file("srv/web/other", b"x", uid=998, gid=998, user="nobody-here", group="nobody-here")
    done = run(package("web", folder("srv/web", uid=999, user="web"), owned, unknown, pre_install=add))
    (tree,) = done.trees
    assert [(tree.entries[path].uid, tree.entries[path].gid) for path in ("srv/web", "srv/web/data")] == [
        (444, 0), (444, 321),
    ]  # fmt: skip
    assert (tree.entries["srv/web/other"].uid, tree.entries["srv/web/other"].gid) == (998, 998)
    assert {entry.uid for entry in done.packages[-1].entries} == {444, 998}
    assert "srv/web/data" not in done.changes.entries


def test_names_are_looked_up_where_nothing_runs_too() -> None:
    base = package("base", file("etc/passwd", b"web:x:123:1::/:/bin/sh\n"), file("etc/group", b"web:x:321:\n"))
    web = package("web", file("srv/x", uid=9, gid=9, user="web", group="web"))
    done = run_scripts(install([[base, web]]), [base, web], arch=ARCHES["x86_64"], scratch=Path("/nowhere"), epoch=0)
    assert (done.trees[0].entries["srv/x"].uid, done.trees[0].entries["srv/x"].gid) == (123, 321)


def test_files_belong_to_whom_scripts_gave_them(run: Run) -> None:
    text = """
    addgroup -S -g 321 data; adduser -S -D -u 444 -G data -h /var/lib/data data
    touch /var/lib/data/a /var/lib/data/b /var/lib/data/c; ln -s a /var/lib/data/link
    chown data /var/lib/data/a; chown :data /var/lib/data/b; chgrp 77 /var/lib/data/b
    cd /var/lib/data && chown -h data:data link
    chown 5:6 /srv/taken; chown root:root /srv/given-back; chown 8:9 /srv/moved; mv /srv/moved /srv/here
    cp -p /srv/kept /srv/copy; sed -i s/x/y/ /srv/edited; mv /srv/away /srv/there
    chown -R 44:45 /srv/all
    """
    done = run(
        package(
            "a", file("srv/taken"), file("srv/given-back", uid=5, gid=5), file("srv/moved"), file("srv/kept", uid=5),
                file("srv/away", b"away", uid=6, gid=7),
            file("srv/edited", b"x", uid=5, gid=6), folder("srv/all", 0o700, uid=1), file("srv/all/x/y"),
            post_install=text,
        )
    )  # fmt: skip
    owners = {path: (entry.uid, entry.gid) for path, entry in done.changes.entries.items()}
    assert {path: owners.get(path) for path in (
        "var/lib/data", "var/lib/data/a", "var/lib/data/b", "var/lib/data/c", "var/lib/data/link", "srv/taken",
        "srv/given-back", "srv/here", "srv/there", "srv/edited", "srv/all", "srv/all/x", "srv/all/x/y",
    )} == {
        "var/lib/data": (444, 321), "var/lib/data/a": (444, 0), "var/lib/data/b": (0, 77), "var/lib/data/c": (0, 0),
        "var/lib/data/link": (444, 321), "srv/taken": (5, 6), "srv/given-back": (0, 0), "srv/here": (8, 9),
        "srv/there": (6, 7),
        "srv/edited": (5, 6), "srv/all": (44, 45), "srv/all/x": (44, 45), "srv/all/x/y": (44, 45),
    }  # fmt: skip
    assert "srv/kept" not in owners
    assert done.changes.entries["srv/all"].mode == 0o700
    assert done.changes.entries["var/lib/data"].mode == 0o2755


def test_a_program_may_write_where_root_may(run: Run) -> None:
    entries = (folder("srv/closed", 0o555), file("srv/closed/x", b"x", 0o444), file("srv/secret", b"s", 0o000))
    done = run(package("a", *entries, post_install="echo y > /srv/closed/x; echo z > /srv/closed/z; cat /srv/secret"))
    assert files(done) == {"srv/closed/x": b"y\n", "srv/closed/z": b"z\n"}
    assert done.changes.entries["srv/closed"].mode == 0o555


def test_several_names_of_a_file_stay_one_file(run: Run) -> None:
    entries = (file("usr/a/one", b"1"), hardlink("usr/a/two", "usr/a/one"), file("usr/a/three", b"3"))
    done = run(package("a", *entries, post_install="ln /usr/a/three /usr/a/four; echo x > /usr/n; ln /usr/n /usr/m"))
    changes = done.changes.entries
    assert files(done) == {"usr/a/three": b"3", "usr/a/four": b"3", "usr/m": b"x\n", "usr/n": b"x\n"}
    assert (changes["usr/a/three"].target, changes["usr/n"].target) == ("usr/a/four", "usr/m")
    changed = run(package("a", *entries, post_install="echo x >> /usr/a/two"))
    assert files(changed) == {"usr/a/one": b"1x\n", "usr/a/two": b"1x\n"}
    assert changed.changes.entries["usr/a/two"].kind is Kind.HARDLINK


def test_a_configuration_file_that_a_script_made_stays_and_the_package_s_is_put_beside(run: Run) -> None:
    done = run(package("a", file("etc/a.conf", b"packaged"), pre_install="echo mine > /etc/a.conf"))
    assert files(done) == {"etc/a.conf": b"mine\n", "etc/a.conf.apk-new": b"packaged"}


def test_a_package_s_file_takes_the_place_of_a_script_s(run: Run) -> None:
    done = run(package("a", file("usr/a", b"packaged"), pre_install="ln -s /etc/passwd /usr/a"))
    assert files(done) == {}
    assert done.trees[0].entries["usr/a"].content == b"packaged"


@pytest.mark.parametrize("seconds", [0, 40 * 86400])
def test_it_does_not_matter_when_and_where_scripts_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    text = """
    adduser -S -D -H web; echo web:secret | chpasswd -e
    date > /dev/null; touch /srv/touched; echo $RANDOM > /tmp/lost; ls /usr/bin > /srv/list; date +%Z > /srv/zone
    """
    first = run(package("a", post_install=text))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + seconds)
    os.umask(before := os.umask(0o077))
    try:
        second = run(package("a", post_install=text), scratch=tmp_path / "another" / "folder")
    finally:
        os.umask(before)
    if not seconds:
        assert second == first
    lines = first.changes.read("etc/shadow") or b""
    assert lines.splitlines()[-1] == f"web:secret:{EPOCH // 86400}:0:99999:7:::".encode()
    assert not any(path.startswith("tmp/") for path in first.changes.entries)


def test_a_failing_script_is_an_error_with_its_last_words(run: Run) -> None:
    text = "for i in $(seq 1 99); do echo line $i; done; echo problem >&2; exit 7"
    with pytest.raises(BivyError) as fault:
        run(package("a", post_install=text))
    message = str(fault.value)
    assert message.startswith("the install script a-1-r0.post-install ended with exit status 7\n")
    assert message.endswith("line 99\nproblem")
    assert "line 80\n" not in message


def test_a_killed_script_says_by_which_signal(run: Run) -> None:
    with pytest.raises(BivyError, match=r"a-1-r0\.trigger ended with signal SIGKILL"):
        run(package("a", folder("usr/a"), trigger="kill -9 $$", triggers=("/usr/a",)))


def test_a_script_that_hangs_is_stopped_with_all_that_it_started(run: Run, scratch: Path) -> None:
    text = "echo started; (trap '' TERM; sleep 4321) & trap '' TERM; sleep 4322"
    with pytest.raises(BivyError, match=r"a-1-r0.post-install did not end within 0.5 s\nstarted"):
        run(package("a", post_install=text), time_limit=0.5)
    assert not [line for line in processes() if "sleep 432" in line]
    assert list(scratch.iterdir()) == []


def test_what_a_script_leaves_running_ends_with_it(run: Run) -> None:
    assert files(run(package("a", post_install="sleep 4323 & echo x > /x"))) == {"x": b"x\n"}
    assert not [line for line in processes() if "sleep 4323" in line]


def processes() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_what_a_script_says_is_told(run: Run) -> None:
    stream = io.StringIO()
    run(package("a", post_install="echo hello; echo problem >&2"), progress=Lines(stream))
    assert stream.getvalue() == (
        "a-1-r0.post-install: hello\na-1-r0.post-install: problem\nrun a-1-r0.post-install: done\n"
    )


def test_a_script_sees_nothing_of_the_machine_and_has_no_network(run: Run) -> None:
    done = run(
        package("a", post_install="ls / > /srv/root; cat /proc/net/dev | grep -c : > /srv/net; ls /tmp > /srv/t")
    )
    assert files(done)["srv/net"] == b"1\n"
    assert files(done)["srv/t"] == b""
    root = (done.changes.read("srv/root") or b"").decode().split()
    assert set(root) <= {path for path in done.trees[0].entries if "/" not in path} | {"tmp", "dev", "proc"}


def test_a_script_whose_interpreter_is_missing_says_so(tmp_path: Path) -> None:
    alone = [package("a", file("usr/a"), post_install="true")]
    with pytest.raises(BivyError, match=r"a-1-r0\.post-install needs /bin/sh, which is not there") as fault:
        run_scripts(install([alone]), alone, arch=build_machine(), scratch=tmp_path, epoch=EPOCH)
    assert "busybox" in (fault.value.hint or "")


def test_scripts_of_another_architecture_say_that_they_do_not_run_here(tmp_path: Path) -> None:
    # A shell that this kernel cannot execute: the header of an ELF file for a machine that nobody has.
    foreign = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\xff\x7f" + bytes(100)
    there = [package("sh", file("bin/sh", foreign, 0o755)), package("a", post_install="true")]
    name = "riscv64" if build_machine().name != "riscv64" else "s390x"
    with pytest.raises(BivyError, match=f"is for {name} and does not run on this machine") as fault:
        run_scripts(install([there]), there, arch=ARCHES[name], scratch=tmp_path, epoch=EPOCH)
    assert "qemu-user-static" in (fault.value.hint or "")


def test_without_a_sandbox_scripts_do_not_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "why_no_sandbox", lambda: "bubblewrap is not installed")
    monkeypatch.setattr(sandbox, "find_bubblewrap", lambda: None)
    with pytest.raises(BivyError, match="without a sandbox: bubblewrap is not installed") as fault:
        run(package("a", post_install="true"))
    assert "install your distribution's package bubblewrap" in (fault.value.hint or "")


def test_links_that_lead_outside_are_never_followed(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "a").mkdir(parents=True)
    (outside / "victim").write_text("as it was")
    up = "../" * 20
    hostile = package(
        "hostile", symlink("usr/out", f"{up}{outside}"), symlink("usr/victim", f"{outside}/victim"),
        post_install=f"rm -r /srv; ln -s {up}{outside} /srv; ln -s {outside}/victim /usr/later",
    )  # fmt: skip
    with pytest.raises(BivyError, match="/srv is to be a folder, and is something else"):
        run(hostile, package("a", file("srv/a/x", b"x"), file("usr/later", b"x")))
    assert (outside / "victim").read_text() == "as it was"
    assert list((outside / "a").iterdir()) == []
    quiet = replace(
        hostile, scripts={"post-install": b"#!/bin/sh\nln -s " + str(outside).encode() + b"/victim /usr/l\n"}
    )
    done = run(quiet, package("a", file("usr/l", b"x")))
    assert (outside / "victim").read_text() == "as it was"
    assert done.trees[0].entries["usr/l"].content == b"x"


def test_a_script_that_replaces_a_folder_by_a_link_is_told_where_it_harms(run: Run, tmp_path: Path) -> None:
    bad = package("bad", post_install=f"rmdir /opt; ln -s {tmp_path} /opt")
    with pytest.raises(BivyError, match="/opt is to be a folder, and is something else"):
        run(bad, package("a", file("opt/x", b"x")))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["proc", "dev", "tmp"])
def test_a_tree_without_folders_to_mount_on_is_refused(tmp_path: Path, name: str) -> None:
    bad = [package("a", symlink(name, str(tmp_path)), post_install="true")]
    with pytest.raises(BivyError, match=f"/{name} is a symlink"):
        run_scripts(install([bad]), bad, arch=build_machine(), scratch=tmp_path, epoch=EPOCH)


def test_names_that_are_no_text_are_refused(run: Run) -> None:
    with pytest.raises(BivyError, match="whose name is not UTF-8"):
        run(package("a", post_install="touch \"$(printf '/srv/\\377')\""))


def test_what_is_no_file_is_left_out_and_folders_that_nobody_may_read_are_read(run: Run) -> None:
    text = "mkfifo /srv/pipe; mkdir /srv/closed; echo x > /srv/closed/x; chmod 0 /srv/closed/x /srv/closed"
    done = run(package("a", post_install=text))
    assert files(done) == {"srv/closed/x": b"x\n"}
    assert (done.changes.entries["srv/closed"].mode, done.changes.entries["srv/closed/x"].mode) == (0, 0)


def test_a_script_that_writes_without_end_is_an_error(run: Run) -> None:
    with pytest.raises(BivyError, match="more than 1024 MB"):
        run(package("a", post_install="truncate -s 3000000000 /srv/large"))
    with pytest.raises(BivyError, match="did not end within 1 s"):
        run(package("a", post_install="yes"), time_limit=1)


def test_what_others_packages_own_is_left_alone_when_a_layer_is_added(shell: list[Package], scratch: Path) -> None:
    text = "echo x > /usr/changed"
    groups = [[*shell, package("a", file("usr/changed", b"old"), file("usr/kept", b"kept"))],
              [package("b", file("usr/b"), post_install=text)]]  # fmt: skip
    trees = install(groups)
    chosen = [each for group in groups for each in group]
    done = run_scripts(trees, chosen, arch=build_machine(), scratch=scratch, epoch=EPOCH)
    assert list(done.trees) == trees
    assert files(done) == {"usr/changed": b"x\n"}
    assert done.changes.entries["usr"] == trees[0].entries["usr"] or done.changes.entries["usr"].mode == 0o755


def test_the_tree_as_a_whole_is_the_packages_and_the_changes(run: Run) -> None:
    done = run(package("a", post_install="rm -r /home; mkdir /home; echo x > /home/x"))
    (tree,) = done.trees
    whole: Tree = merge(tree, done.changes.entries.values())
    assert contents(whole)["home/x"] == b"x\n"
