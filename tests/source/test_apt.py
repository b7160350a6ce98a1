from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.source.apt import debian_archives

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_one_line_form_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list",
        """
        # deb http://commented.example/debian trixie main
        deb http://one.example/debian/ trixie main contrib # the first
        deb-src http://one.example/debian trixie main
        deb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/k.gpg ] https://two.example/debian trixie-updates main
        deb [trusted=yes] file:/srv/pool trixie main
        deb\thttp://three.example/mirror/debian-security\ttrixie-security\tmain
        """,
    )
    assert debian_archives(tmp_path) == (
        "http://one.example/debian",
        "https://two.example/debian",
        "file:///srv/pool",
        "http://three.example/mirror/debian-security",
    )


def test_the_deb822_form_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sources.list.d/debian.sources",
        """\
# the machine's own
types: deb deb-src
URIs: http://one.example/debian
# between the lines of a field
  https://two.example/debian
Suites: trixie
 trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: http://key.example/debian
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://disabled.example/debian
Suites: trixie
Components: main
Enabled: no


Enabled: yes
Types: deb
URIs: http://three.example/apt
Suites: sid
Components: contrib main""",
    )
    assert debian_archives(tmp_path) == (
        "http://one.example/debian",
        "https://two.example/debian",
        "http://three.example/apt",
    )


def test_files_are_read_in_order_and_an_archive_is_named_once(tmp_path: Path) -> None:
    write(tmp_path, "sources.list", "deb http://b.example/debian trixie main\n")
    write(tmp_path, "sources.list.d/20.list", "deb http://c.example/debian trixie main\n")
    write(
        tmp_path,
        "sources.list.d/10.sources",
        "Types: deb\nURIs: http://a.example/debian http://b.example/debian\nSuites: trixie\nComponents: main\n",
    )
    write(tmp_path, "sources.list.d/30.list.save", "deb http://saved.example/debian trixie main\n")
    assert debian_archives(tmp_path) == tuple(f"http://{name}.example/debian" for name in "bac")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("deb http://archive.example/ubuntu noble main universe", True),
        ("deb http://proxy.example/repository/os bookworm main", True),
        ("deb http://old.example/debian-archive/20260101T000000Z buster main", True),
        ("deb http://vendor.example/linux/debian bookworm stable", False),
        ("deb https://vendor.example/apt cloud-bookworm main", False),
        ("deb https://vendor.example/node_20.x nodistro main", False),
        ("deb http://flat.example/debian ./", False),
        ("deb cdrom:[Debian_13]/ trixie main", False),
        ("deb mirror+file:/etc/apt/mirrors.txt trixie main", False),
        ("deb http://arch.example/$(ARCH)/debian trixie main", False),
        ("deb http://[broken/debian trixie main", False),
        ("deb file:relative/debian trixie main", False),
        ("deb", False),
        ("deb http://alone.example/debian", False),
    ],
)
def test_only_archives_that_can_hold_debians_pool_are_kept(tmp_path: Path, line: str, kept: bool) -> None:
    write(tmp_path, "sources.list", line)
    assert bool(debian_archives(tmp_path)) is kept


def test_a_machine_without_apt_has_none(tmp_path: Path) -> None:
    assert debian_archives(tmp_path / "nowhere") == ()


def test_what_is_no_text_and_no_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d" / "folder.list").mkdir(parents=True)
    (tmp_path / "sources.list.d" / "a.list").write_bytes(b"\xff\xfe\0deb\n\xe9 deb http://x.example/debian sid main\n")
    write(tmp_path, "sources.list", "deb http://one.example/debian trixie main\n")
    assert debian_archives(tmp_path) == ("http://one.example/debian",)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["deb ", "Types: deb", "URIs:", " http://a.example/debian", "Suites: sid", "Components: main",
             "\n", "\n\n", "#", "[", "]", ":", " ", "main", "http://[", "\t", "\r", "\0"]
        )
    )
)  # fmt: skip
def test_no_text_is_too_odd(tmp_path: Path, words: list[str]) -> None:
    write(tmp_path, "sources.list", "".join(words))
    write(tmp_path, "sources.list.d/a.sources", "".join(words))
    assert all(found.startswith("http://") for found in debian_archives(tmp_path))
