from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.errors import ApkError
from bivy.apk.fetch.repository import (
    Repository,
    index_url,
    local_path,
    package_url,
    parse_repositories,
    parse_repository,
    printable,
    read_repositories,
    read_repositories_file,
)
from bivy.apk.index import IndexEntry

ENTRY = IndexEntry("Q1" + "A" * 27 + "=", "demo", "1.2-r0", "x86_64")


def test_a_file_has_a_repository_a_line_with_comments_tags_and_slashes() -> None:
    text = """\
# main
https://example.org/alpine/v3.20/main/

  http://example.org/alpine/v3.20/community\t
@edge\thttps://example.org/alpine/edge/main
@local  file:/srv/repository//
/srv/packages
https://example.org/alpine/v3.20/main
@again https://example.org/alpine/v3.20/main\r
"""
    assert parse_repositories(text, "x") == [
        Repository("https://example.org/alpine/v3.20/main"),
        Repository("http://example.org/alpine/v3.20/community"),
        Repository("https://example.org/alpine/edge/main", "edge"),
        Repository("file:/srv/repository", "local"),
        Repository("/srv/packages"),
        Repository("https://example.org/alpine/v3.20/main", "again"),
    ]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("https://example.org/a # comment", "'#' follows the URL", "a comment is a line of its own"),
        ("@edge", "the URL of the repository is missing", None),
        ("@ https://example.org", "a tag has a name", "@edge https"),
        ("ftp://example.org/alpine", "nothing is fetched by ftp", "http, https, file, or a path"),
        (
            "https://example.org/main/x86_64/APKINDEX.tar.gz",
            "is the index, not the repository",
            "folders: https://example.org/main$",
        ),
        ("https://example.org/main/x86_64/APKINDEX.adb", "an index of apk-tools 3", "APKINDEX.tar.gz"),
        ("https://me:secret@example.org/x/APKINDEX.tar.gz", r"me:\*@example.org", r"me:\*@example.org$"),
        ("https://example.org/\x1b[31m", "a control character", None),
    ],
)
def test_a_faulty_line_is_refused_with_file_and_line(line: str, message: str, hint: str | None) -> None:
    with pytest.raises(ApkError, match=rf"^etc/repositories, line 2: .*{message}") as caught:
        parse_repositories(f"# first\n{line}\n", "etc/repositories")
    if hint is None:
        assert caught.value.hint is None
    else:
        with pytest.raises(ApkError, match=hint):
            raise ApkError(caught.value.hint or "")


def test_a_root_s_files_are_read_in_order_and_need_not_be_there(tmp_path: Path) -> None:
    assert read_repositories(str(tmp_path)) == []
    more = tmp_path / "etc/apk/repositories.d"
    more.mkdir(parents=True)
    (more / "b.list").write_text("/b\n/a\n")
    (more / "a.list").write_text("@t /a\n")
    (more / "c.list.bak").write_text("nonsense nonsense\n")
    (tmp_path / "etc/apk/repositories").write_text("/first\n")
    assert read_repositories(str(tmp_path)) == [
        Repository("/first"),
        Repository("/a", "t"),
        Repository("/b"),
        Repository("/a"),
    ]
    (more / "a.list").write_text("fine\nnot fine\n")
    with pytest.raises(ApkError, match=r"a\.list, line 2: 'fine' follows the URL"):
        read_repositories(str(tmp_path))


def test_a_named_file_has_to_be_there_and_to_be_text(tmp_path: Path) -> None:
    with pytest.raises(ApkError, match=r"cannot read the repositories .*/none: No such file"):
        read_repositories_file(str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\n")
    with pytest.raises(ApkError, match="binary is not UTF-8"):
        read_repositories_file(str(tmp_path / "binary"))


def test_addresses_are_those_that_apk_asks() -> None:
    repository = parse_repository("https://example.org/main/")
    assert index_url(repository, "x86_64") == "https://example.org/main/x86_64/APKINDEX.tar.gz"
    assert package_url(repository, ENTRY, "aarch64") == "https://example.org/main/x86_64/demo-1.2-r0.apk"
    unsaid = IndexEntry("Q1", "demo", "1.2-r0")
    assert package_url(repository, unsaid, "aarch64") == "https://example.org/main/aarch64/demo-1.2-r0.apk"
    everywhere = IndexEntry("Q1", "demo", "1.2-r0", "noarch")
    assert package_url(repository, everywhere, "aarch64") == "https://example.org/main/noarch/demo-1.2-r0.apk"
    assert index_url(Repository("/"), "x86") == "/x86/APKINDEX.tar.gz"


@pytest.mark.parametrize(
    "entry",
    [
        IndexEntry("Q1", "../../etc/passwd", "1"),
        IndexEntry("Q1", ".hidden", "1"),
        IndexEntry("Q1", "a", "1/../.."),
        IndexEntry("Q1", "a", "1", ".."),
        IndexEntry("Q1", "a\x1b[2J", "1"),
    ],
)
def test_an_entry_that_leads_out_of_the_repository_is_refused(entry: IndexEntry) -> None:
    with pytest.raises(ApkError, match="no package"):
        package_url(Repository("/srv"), entry, "x86_64")


def test_what_is_on_this_machine_is_known_from_its_address() -> None:
    assert local_path("file:///srv/x") == "/srv/x"
    assert local_path("file:/srv/x") == "/srv/x"
    assert local_path("FILE:relative") == "relative"
    assert local_path("/srv/x") == "/srv/x"
    assert local_path("here") == "here"
    assert local_path("http://example.org") is None
    assert local_path("HTTPS://example.org") is None


def test_a_password_is_not_shown() -> None:
    assert printable("https://me:secret@example.org/x") == "https://me:*@example.org/x"
    assert printable("https://me@example.org:80/x") == "https://me@example.org:80/x"


@given(st.text(max_size=80))
def test_any_line_is_a_repository_or_refused(line: str) -> None:
    try:
        found = parse_repository(line)
    except ApkError:
        return
    assert found.url
    assert found.url == "/" or not found.url.endswith("/")
    again = f"@{found.tag} {found.url}" if found.tag else found.url
    assert parse_repository(again) == found
