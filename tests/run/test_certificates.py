"""The certificate authorities of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.run.certificates import host_certificates


def test_what_the_variable_names_goes_before_the_usual_places(tmp_path: Path) -> None:
    (tmp_path / "own").touch()
    (tmp_path / "usual").touch()
    places = (str(tmp_path / "missing"), str(tmp_path / "usual"))
    assert host_certificates({"SSL_CERT_FILE": str(tmp_path / "own")}, places) == tmp_path / "own"
    assert host_certificates({}, places) == tmp_path / "usual"


def test_where_there_are_none_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match=f"looked for {tmp_path}/a, {tmp_path}/b"):
        host_certificates({}, (f"{tmp_path}/a", f"{tmp_path}/b"))
    with pytest.raises(BivyError, match=f"SSL_CERT_FILE is {tmp_path}, which is no file"):
        host_certificates({"SSL_CERT_FILE": str(tmp_path)}, ())
