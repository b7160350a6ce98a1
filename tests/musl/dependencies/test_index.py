from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.musl.dependencies import index as index_module
from bivy.musl.dependencies.index import Index, NoSuchProjectError, parse_html, parse_json
from bivy.musl.dependencies.known import known_distributions
from bivy.musl.dependencies.settings import default_index, index_options, with_credentials, without_credentials
from tests.musl.dependencies.shelf import HTML, JSON, Shelf


@pytest.mark.parametrize("kind", [JSON, HTML])
def test_files_are_read_in_either_form(shelf: Shelf, tmp_path: Path, kind: str) -> None:
    shelf.kind = kind
    shelf.wheel("top", "1.0", requires_python=">=3.9", yanked=True)
    (file,) = Index(tmp_path).files("top", shelf.address)
    assert (file.name, file.requires_python, file.yanked) == ("top-1.0-py3-none-any.whl", ">=3.9", True)
    assert file.url == f"http://127.0.0.1:{shelf.port}/files/top-1.0-py3-none-any.whl"
    assert len(file.sha256) == 64


def test_an_answer_is_not_asked_for_again_while_it_is_fresh(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("top", "1.0")
    assert Index(tmp_path).files("top", shelf.address) == Index(tmp_path).files("top", shelf.address)
    assert shelf.asked == ["/simple/top/"]


def test_an_old_answer_is_asked_after_and_not_sent_again(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_FRESH", 0.0)
    shelf.wheel("top", "1.0")
    first = Index(tmp_path).files("top", shelf.address)
    assert Index(tmp_path).files("top", shelf.address) == first
    assert shelf.not_modified == 1
    assert Index(tmp_path, offline=True).files("top", shelf.address) == first


def test_offline_what_was_never_asked_is_said(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="was not asked: nothing may be fetched"):
        Index(tmp_path, offline=True).files("top", shelf.address)
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (JSON, b"{nonsense", "not answer in the form of an index"),
        (JSON, b"[]", "version unknown of the Simple API"),
        (JSON, b'{"meta": {"api-version": "2.0"}, "files": []}', "version 2.0 of the Simple API"),
        (JSON, b'{"meta": {"api-version": "1.0"}}', "not answer in the form of an index"),
        (JSON, b'{"files": [3]}', "not answer in the form of an index"),
        (HTML, b"\xff\xfe", "not answer in the form of an index"),
        ("image/png", b"", "answers with image/png, which is no answer of an index"),
    ],
)
def test_what_is_no_answer_of_an_index_is_said(
    shelf: Shelf, tmp_path: Path, kind: str, body: bytes, message: str
) -> None:
    shelf.bodies["/simple/top/"] = (kind, body)
    with pytest.raises(BivyError, match=message):
        Index(tmp_path).files("top", shelf.address)


def test_an_index_that_refuses_lacks_it_or_is_gone_is_told_apart(shelf: Shelf, tmp_path: Path) -> None:
    index = Index(tmp_path)
    with pytest.raises(NoSuchProjectError):
        index.files("gone", shelf.address)
    shelf.refusals["/simple/bad/"] = 503
    with pytest.raises(BivyError, match="503"):
        index.files("bad", shelf.address)
    with pytest.raises(BivyError, match="could not be fetched"):
        index.files("top", "http://127.0.0.1:1/simple")


def test_an_index_that_is_slow_is_given_up(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("top", "1.0")
    shelf.delay = 5
    with pytest.raises(BivyError, match="could not be fetched"):
        Index(tmp_path, patience=0.3).files("top", shelf.address)


def test_a_damaged_cache_is_as_if_it_were_not_there(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("top", "1.0")
    files = Index(tmp_path).files("top", shelf.address)
    for path in (tmp_path / "index").iterdir():
        path.write_bytes(b"\x00nonsense")
    assert Index(tmp_path).files("top", shelf.address) == files


def test_name_and_password_of_an_index_go_to_it_and_into_no_message(shelf: Shelf, tmp_path: Path) -> None:
    shelf.refusals["/simple/top/"] = 401
    secret = shelf.address.replace("http://", "http://me:secret@")
    with pytest.raises(BivyError) as fault:
        Index(tmp_path, options=("--default-index", secret)).files("top", shelf.address)
    assert "secret" not in str(fault.value)
    assert shelf.authorizations[0].startswith("Basic ")


def test_credentials_go_only_where_they_belong() -> None:
    options = ["--index", "private=https://me:secret@one.example/team/simple"]
    wanted = "https://me:secret@one.example/team/simple/top/"
    assert with_credentials("https://one.example/team/simple/top/", options, {}) == wanted
    for other in ("https://two.example/team/simple/", "http://one.example/team/simple/", "https://one.example/teams/"):
        assert with_credentials(other, options, {}) == other
    assert without_credentials(wanted) == "https://one.example/team/simple/top/"


def test_pips_settings_are_taken_where_uv_has_none(tmp_path: Path) -> None:
    configured = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "no"), "HOME": str(tmp_path)}
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("[global]\nindex-url = https://pip.example/simple\n")
    assert index_options(configured) == ("--default-index", "https://pip.example/simple")
    assert default_index((), configured) == "https://pip.example/simple"
    assert index_options({**configured, "PIP_INDEX_URL": "https://env.example/"})[1] == "https://env.example/"
    assert index_options({**configured, "UV_INDEX": "https://uv.example/"}) == ()
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text('index-url = "https://uv.example/"\n')
    assert index_options(configured) == ()


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_answer_breaks_the_reader(body: bytes) -> None:
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        parse_json(body, "https://example.org/simple/top/")
    parse_html(body.decode("utf-8", "replace"), "https://example.org/simple/top/")


def test_what_is_known_is_complete_and_in_order() -> None:
    known = known_distributions()
    assert list(known) == sorted(known)
    assert len(known) >= 50
    for name, each in known.items():
        assert each.known_from, name
        assert each.compiles in ("", "yes", "no", "optional"), name
        assert bool(each.compilers) == (each.compiles in ("yes", "optional")) or name == "ibm-db", name
        assert not each.instead or each.why, name
