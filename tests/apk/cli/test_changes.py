"""What apk does to a root, and what it says of it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from bivy.apk.sign import Signer
from tests.apk.cli.conftest import PACKAGES, TOOL_2, System, run_apk
from tests.apk.samples import file, folder
from tests.mirror import signed, small_package, write_repository


def test_what_is_added_is_installed_with_what_it_needs(system: System) -> None:
    said = system.said("add", "tool")
    assert said.splitlines() == [
        "(1/2) Installing libhelp (1.2-r3)",
        "(2/2) Installing tool (1.0-r0)",
        "OK: 0 MiB in 2 packages",
    ]
    assert system.world == ["tool"]
    assert (system.root / "usr/bin/tool").read_bytes() == b"one\n"
    assert (system.root / "usr/lib/libhelp.so").readlink() == Path("libhelp.so.1")


def test_what_is_there_is_not_added_again(system: System) -> None:
    system.apk("add", "tool")
    assert system.said("add", "tool") == "OK: 0 MiB in 2 packages\n"


def test_quiet_says_nothing(system: System) -> None:
    assert system.said("-q", "add", "tool") == ""
    assert system.said("add", "--quiet", "configured") == ""


def test_simulating_changes_nothing(system: System) -> None:
    before = system.snapshot()
    said = system.said("add", "--simulate", "tool")
    assert "(2/2) Installing tool (1.0-r0)" in said
    assert "2 packages" in said
    assert system.snapshot() == before


def test_a_package_that_there_is_not_is_named_and_nothing_changes(system: System) -> None:
    before = system.snapshot()
    done = system.apk("add", "tool", "nonesuch", status=1)
    assert "unable to select packages" in done.stderr
    assert "nonesuch" in done.stderr
    assert system.snapshot() == before


def test_a_version_that_there_is_not_is_said_with_those_that_there_are(system: System) -> None:
    done = system.apk("add", "tool>5", status=1)
    assert "tool" in done.stderr
    assert "1.0-r0" in done.stderr


def test_what_nothing_needs_goes_with_what_needed_it(system: System) -> None:
    system.apk("add", "tool", "configured")
    said = system.said("del", "tool")
    assert said.splitlines() == [
        "(1/2) Purging tool (1.0-r0)",
        "(2/2) Purging libhelp (1.2-r3)",
        "OK: 0 MiB in 1 packages",
    ]
    assert system.world == ["configured"]
    assert not (system.root / "usr").exists()


def test_what_others_need_stays_and_is_said(system: System) -> None:
    system.apk("add", "tool", "libhelp")
    said = system.said("del", "libhelp")
    assert "not removed due to:\n  libhelp: tool\n" in said
    assert (system.root / "usr/lib/libhelp.so.1").exists()
    assert system.world == ["tool"]


def test_what_needs_it_goes_too_when_that_is_asked_for(system: System) -> None:
    system.apk("add", "tool")
    system.apk("del", "--rdepends", "libhelp")
    assert system.world == []
    assert not (system.root / "usr").exists()


def test_a_package_that_is_not_there_cannot_be_removed(system: System) -> None:
    done = system.apk("del", "nonesuch", status=1)
    assert "No such package: nonesuch" in done.stderr


def test_a_virtual_package_holds_others_until_it_goes(system: System) -> None:
    said = system.said("add", "--no-cache", "--virtual", ".deps", "tool", "configured")
    assert "Installing .deps (20" in said
    assert system.world[0].startswith(".deps=20")
    system.apk("del", ".deps")
    assert system.world == []
    assert not (system.root / "usr/bin/tool").exists()


def test_a_virtual_package_may_have_a_version(system: System) -> None:
    system.apk("add", "-t", ".deps=3", "tool")
    assert system.world == [".deps=3"]
    assert ".deps" in system.said("info")


def test_a_newer_version_comes_with_an_upgrade_and_not_before(system: System, signer: Signer) -> None:
    system.apk("add", "tool")
    write_repository(system.repository, (*PACKAGES, TOOL_2), signer)
    assert system.said("add", "configured").splitlines()[0] == "(1/1) Installing configured (1-r0)"
    assert system.said("list", "--upgradable").startswith("tool-2.0-r0 x86_64 {tool} (MIT) [upgradable from: tool-1.0")
    assert "(1/1) Upgrading tool (1.0-r0 -> 2.0-r0)" in system.said("upgrade")
    assert (system.root / "usr/bin/tool").read_bytes() == b"two\n"


def test_one_package_can_be_upgraded_alone(system: System, signer: Signer) -> None:
    system.apk("add", "tool")
    write_repository(system.repository, (*PACKAGES, TOOL_2), signer)
    assert "Upgrading tool" in system.said("add", "--upgrade", "tool")


def test_a_version_can_be_held(system: System, signer: Signer) -> None:
    write_repository(system.repository, (*PACKAGES, TOOL_2), signer)
    system.apk("add", "tool=1.0-r0")
    assert system.said("upgrade").splitlines() == ["OK: 0 MiB in 2 packages"]
    assert system.world == ["tool=1.0-r0"]


def test_a_changed_configuration_file_is_kept_and_the_new_one_put_beside(system: System, signer: Signer) -> None:
    system.apk("add", "configured")
    place = system.root / "etc/configured.conf"
    place.write_text("as a person wants it\n")
    newer = small_package("configured", "2-r0", entries=[folder("etc"), file("etc/configured.conf", b"newer\n")])
    write_repository(system.repository, (*PACKAGES, newer), signer)
    system.apk("upgrade")
    assert place.read_text() == "as a person wants it\n"
    assert (system.root / "etc/configured.conf.apk-new").read_text() == "newer\n"


def test_what_was_damaged_is_fixed(system: System) -> None:
    system.apk("add", "tool")
    (system.root / "usr/bin/tool").write_text("damaged")
    assert "(1/1) Reinstalling tool (1.0-r0)" in system.said("fix", "tool")
    assert (system.root / "usr/bin/tool").read_bytes() == b"one\n"


def test_two_packages_with_one_file_are_refused_and_nothing_changes(system: System, signer: Signer) -> None:
    rival = small_package("rival", entries=[folder("usr"), folder("usr/bin"), file("usr/bin/tool", b"rival\n")])
    write_repository(system.repository, (*PACKAGES, rival), signer)
    system.apk("add", "tool")
    before = system.snapshot()
    done = system.apk("add", "rival", status=1)
    assert "usr/bin/tool" in done.stderr
    assert "tool-1.0-r0" in done.stderr
    assert system.snapshot() == before
    system.apk("add", "--force-overwrite", "rival")
    assert (system.root / "usr/bin/tool").read_bytes() == b"rival\n"


def test_a_package_s_file_can_be_added(system: System, tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "local-1.0-r0.apk"
    path.write_bytes(signed(small_package("local", entries=[folder("opt"), file("opt/local", b"here")]), signer))
    system.apk("add", str(path))
    assert (system.root / "opt/local").read_bytes() == b"here"
    assert system.world[0].startswith("local><Q1")
    system.apk("del", "local")
    assert system.world == []


def test_a_file_that_nobody_signed_is_refused_unless_that_is_allowed_and_then_said(
    system: System, tmp_path: Path
) -> None:
    path = tmp_path / "local-1.0-r0.apk"
    path.write_bytes(small_package("local", entries=[folder("opt")]))
    done = system.apk("add", str(path), status=1)
    assert "is not signed" in done.stderr
    assert "--allow-untrusted" in done.stderr
    done = system.apk("add", "--allow-untrusted", str(path))
    assert "is not signed: taken all the same (--allow-untrusted)" in done.stderr


def test_a_repository_by_a_stranger_is_refused_by_the_name_of_the_key(system: System) -> None:
    (key,) = (system.root / "etc/apk/keys").iterdir()
    key.unlink()
    done = system.apk("add", "tool", status=1)
    assert f"signed by {key.name}, whose key is not in {key.parent}" in done.stderr
    done = system.apk("add", "--allow-untrusted", "tool")
    assert "taken all the same (--allow-untrusted)" in done.stderr


def test_keys_may_lie_elsewhere(system: System, tmp_path: Path) -> None:
    (system.root / "etc/apk/keys").rename(tmp_path / "keys")
    system.apk("--keys-dir", str(tmp_path / "keys"), "add", "tool")


def test_a_repository_of_the_command_line_is_asked_too(system: System, tmp_path: Path, signer: Signer) -> None:
    more = write_repository(tmp_path / "more", [small_package("more")], signer)
    assert "more" in system.apk("add", "more", status=1).stderr
    system.apk("add", "-X", str(more), "more")


def test_a_tagged_repository_is_taken_for_what_asks_for_it(system: System, tmp_path: Path, signer: Signer) -> None:
    edge = write_repository(tmp_path / "edge", [TOOL_2], signer)
    with (system.root / "etc/apk/repositories").open("a") as listed:
        listed.write(f"@edge {edge}\n")
    assert "tool (1.0-r0)" in system.said("add", "-s", "tool")
    assert "Installing tool@edge (2.0-r0)" in system.said("add", "tool@edge")
    assert system.world == ["tool@edge"]
    done = system.apk("add", "configured@nosuchtag", status=1)
    assert "configured@nosuchtag" in done.stderr


def test_another_list_of_repositories_can_be_named(system: System, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    assert "tool" in system.apk("--repositories-file", str(tmp_path / "empty"), "add", "tool", status=1).stderr


def test_what_is_broken_is_given_up_when_that_is_forced(system: System) -> None:
    system.apk("add", "--force-broken-world", "tool", "nonesuch")
    assert (system.root / "usr/bin/tool").exists()


def test_a_tampered_package_is_refused_and_nothing_changes(system: System) -> None:
    path = system.repository / "x86_64" / "tool-1.0-r0.apk"
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(bytes(content))
    before = system.snapshot()
    done = system.apk("add", "tool", status=1)
    assert "tool-1.0-r0" in done.stderr
    assert system.snapshot() == before


def test_the_second_of_two_is_told_to_wait_and_may(system: System) -> None:
    with (system.root / "lib/apk/db/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = system.apk("add", "tool", status=1)
        assert "Unable to lock database" in done.stderr
        assert "--wait" in done.stderr
        command = [sys.executable, "-m", "bivy.apk", "--root", str(system.root), "add", "--wait", "60", "tool"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout is not None
            assert "Waiting" in waiting.stdout.readline()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert "Installing tool" in waiting.stdout.read()
    assert waiting.returncode == 0


def test_a_question_is_asked_and_no_means_no(system: System) -> None:
    command = [sys.executable, "-m", "bivy.apk", "--root", str(system.root), "--interactive", "add", "tool"]
    before = system.snapshot()
    done = subprocess.run(command, capture_output=True, text=True, input="n\n", timeout=60)
    assert "The following NEW packages will be installed:\n  libhelp tool\n" in done.stdout
    assert done.returncode == 1
    assert system.snapshot() == before
    subprocess.run(command, capture_output=True, text=True, input="y\n", timeout=60, check=True)
    assert system.world == ["tool"]


def test_a_root_without_a_database_is_said(tmp_path: Path) -> None:
    done = run_apk("--root", str(tmp_path), "add", "tool", status=1)
    assert "--initdb" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["tool>>>", "tool=", "=1", "!", "a b", "tool=x.y"])
def test_a_word_that_means_nothing_is_refused(system: System, word: str) -> None:
    done = system.apk("add", word, status=1)
    assert done.stderr.startswith("ERROR: ")
    assert "Traceback" not in done.stderr
