import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.oci.config import History, ImageConfig, canonical, format_config, parse_config
from tests.oci.images import sample

_texts = st.text(max_size=5)
_several = st.lists(_texts, max_size=3).map(tuple)
configs = st.builds(
    ImageConfig, st.sampled_from(["amd64", "arm"]), _texts, st.just("linux"), _texts, _several, _several, _several,
    _texts, _texts, st.dictionaries(_texts, _texts, max_size=2), st.just(("80/tcp", "9/udp")), st.just(("/data",)),
    _texts, _several, st.lists(st.builds(History, _texts, _texts, st.booleans()), max_size=3).map(tuple),
)  # fmt: skip


@given(configs)
def test_a_config_is_the_same_after_it_was_written_and_read(config: ImageConfig) -> None:
    written = format_config(config)
    assert parse_config(written) == config
    assert format_config(parse_config(written)) == written


def test_the_document_has_the_names_of_the_specification() -> None:
    document = json.loads(format_config(sample().config))
    assert document["config"] == {
        "Cmd": ["python3"], "Entrypoint": ["/bin/sh", "-c"], "Env": ["PATH=/usr/local/bin:/bin", "LANG=C.UTF-8"],
        "ExposedPorts": {"8000/tcp": {}}, "Labels": {"a": "1", "b": "2"}, "StopSignal": "SIGINT", "User": "65534:65534",
        "Volumes": {"/data": {}}, "WorkingDir": "/srv",
    }  # fmt: skip
    assert document["rootfs"] == {"type": "layers", "diff_ids": [layer.diff_id for layer in sample().layers]}
    assert document["history"] == [
        {"created": "2026-01-01T00:00:00Z", "created_by": "base"},
        {"created": "2026-01-01T00:00:00Z", "created_by": "python"},
    ]
    assert (document["architecture"], document["os"], "variant" in document) == ("amd64", "linux", False)


def test_what_other_tools_leave_out_or_null_is_empty() -> None:
    config = parse_config(
        b'{"architecture":"arm64","os":"linux","config":{"Cmd":null,"Labels":null,"Strange":1},"history":null,'
        b'"rootfs":{"type":"layers","diff_ids":[]},"docker_version":"1"}'
    )
    assert config == ImageConfig("arm64")


def test_the_platform_is_spelled_as_docker_spells_it() -> None:
    assert ImageConfig("arm", "v7").platform == "linux/arm/v7"
    assert ImageConfig("amd64").platform == "linux/amd64"


def test_the_history_tells_what_made_each_layer_as_far_as_it_goes() -> None:
    history = (History("one"), History("only a label", empty_layer=True), History("two"))
    assert ImageConfig("amd64", diff_ids=("a", "b", "c"), history=history).created_by == ("one", "two", "")
    assert ImageConfig("amd64", diff_ids=("a",), history=history).created_by == ("one",)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"architecture":1}', b"\xff", b"[" * 100_000, b'{"os":"linux"}']
)
def test_what_is_no_config_is_refused(content: bytes) -> None:
    with pytest.raises(BivyError, match="config is not one"):
        parse_config(content)


def test_equal_documents_are_equal_bytes() -> None:
    assert canonical({"b": [1], "a": "ü"}) == canonical({"a": "ü", "b": [1]}) == '{"a":"ü","b":[1]}'.encode()
