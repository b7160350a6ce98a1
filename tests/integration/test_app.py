"""Images of projects, on the real base: built, started, asked, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.oci.layout import read_image, read_node
from bivy.sandbox import why_no_sandbox
from bivy.sbom.image import MEDIA_TYPES
from tests.app.making import wheel
from tests.integration.conftest import answer, bivy, free_port
from tests.sbom.making import check_cyclonedx, check_spdx

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no container can be started here: {why_no_sandbox()}"),
]

SERVER = """\
import http.server
import signal
import sys

import greeting


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = greeting.text().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A service that needs a distribution, which is in a folder beside it."""
    wheel(tmp_path / "wheels", "greeting", "1.0", {"greeting.py": 'def text(): return "hello"\n'})
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "requirements.txt").write_text("--no-index\n--find-links ../wheels\ngreeting\n")
    (folder / "main.py").write_text(SERVER)
    return folder


def app(folder: Path, layout: Path, *words: str) -> dict[str, object]:
    command = ("app", str(folder), "--output", str(layout), "--entrypoint", "python3 main.py", "--json", "-q", *words)
    found: dict[str, object] = json.loads(bivy(*command).stdout)
    return found


def digest_of(made: dict[str, object]) -> str:
    images = made["images"]
    assert isinstance(images, list)
    return str(images[0]["digest"])


@contextlib.contextmanager
def started(layout: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "bivy", "run", "--output", str(layout), *words],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_service_answers_and_stops_when_it_is_asked_to(project: Path, layout: Path) -> None:
    app(project, layout)
    port = free_port()
    with started(layout, "service:0", str(port)) as process:
        assert answer(port) == "hello"
        process.send_signal(signal.SIGTERM)
        # Nothing in the program is ready for the signal: as a first process, it would not even notice.
        assert process.wait(30) == 128 + signal.SIGTERM


def test_a_change_of_code_changes_the_last_layer_alone(project: Path, layout: Path) -> None:
    before = app(project, layout)
    (project / "main.py").write_text(SERVER + "# changed\n")
    after = app(project, layout)
    layers = [[layer["digest"] for layer in made["images"][0]["layers"]] for made in (before, after)]  # type: ignore[index]
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]


def test_nothing_changed_says_so_and_the_same_inputs_give_the_same_digest(
    project: Path, layout: Path, tmp_path: Path
) -> None:
    first = app(project, layout)
    time.sleep(0.1)
    app(project, layout)
    again = app(project, layout)
    assert again["unchanged"]
    assert digest_of(first) == digest_of(again)
    other = tmp_path / "elsewhere" / "service"
    other.parent.mkdir()
    shutil.copytree(project, other)
    shutil.copytree(tmp_path / "wheels", tmp_path / "elsewhere" / "wheels")
    environment = {**os.environ, "BIVY_CACHE": str(tmp_path / "cache")}
    shared = Path(os.environ.get("BIVY_CACHE") or Path.home() / ".cache" / "bivy")
    (tmp_path / "cache").mkdir()
    for name in ("packages", "runtime"):  # what compiles the first process takes minutes
        (tmp_path / "cache" / name).symlink_to(shared / name)
    done = subprocess.run(
        [sys.executable, "-m", "bivy", "app", str(other), "--output", str(layout), "--entrypoint", "python3 main.py",
         "--json", "-q"], capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip
    assert digest_of(json.loads(done.stdout)) == digest_of(first)


def test_an_image_that_was_removed_is_made_again(project: Path, layout: Path) -> None:
    from bivy.oci.layout import remove_image

    first = app(project, layout)
    remove_image(layout, "service:0")
    again = app(project, layout)
    assert not again["unchanged"]
    assert digest_of(first) == digest_of(again)


def test_everything_in_it_is_listed_and_the_list_is_attached(project: Path, layout: Path, tmp_path: Path) -> None:
    app(project, layout, "--sbom", str(tmp_path / "sbom.json"))
    content = (tmp_path / "sbom.json").read_bytes()
    listed = check_cyclonedx(content)
    purls = {each.get("purl") for each in listed["components"]}
    assert "pkg:pypi/greeting@1.0" in purls
    assert any(purl and purl.startswith("pkg:apk/bivy/python@3.14") for purl in purls)
    assert any(each["name"] == "bivy-init" for each in listed["components"])
    attached = {each.artifact_type: each for each in read_node(layout, "service:0").referrers}
    assert set(attached) == set(MEDIA_TYPES.values())
    assert attached[MEDIA_TYPES["cyclonedx"]].blobs[0].read() == content
    assert {each.subject for each in attached.values()} == {read_image(layout, "service:0").digest}
    said = bivy("sbom", "service:0", "--output", str(layout)).stdout.encode()
    assert said == content
    spdx = check_spdx(bivy("sbom", "service:0", "--output", str(layout), "--format", "spdx").stdout.encode(), tmp_path)
    assert "greeting" in {each["name"] for each in spdx["packages"]}
    assert bivy("sbom", "service:0", "--output", str(layout), "--scan").stdout.encode() != content


def test_the_base_s_pip_knows_what_is_installed(project: Path, layout: Path) -> None:
    app(project, layout)
    words = ("--entrypoint", "pip", "service:0", "--no-cache-dir", "show", "-f", "greeting")
    told = bivy("run", "--output", str(layout), *words).stdout
    assert "Location: /usr/local/lib/python3.14/site-packages" in told
    assert "__pycache__/greeting.cpython-314.pyc" in told


def test_bytecode_is_used_as_it_is_in_the_image(project: Path, layout: Path) -> None:
    app(project, layout)
    program = (
        "import importlib.util, json, os, sched, sys, greeting\n"
        "assert not os.path.exists(json.__cached__)\n"  # it is in the base's pack
        "for module, flags in ((greeting, 1), (sched, 1)):\n"
        "    content = open(module.__cached__, 'rb').read()\n"
        "    assert content[:4] == importlib.util.MAGIC_NUMBER, module\n"
        "    assert content[4] == flags, (module, content[4])\n"
        "    assert content[8:16] == importlib.util.source_hash(open(module.__file__, 'rb').read()), module\n"
        "own = open('/app/__pycache__/main.cpython-314.pyc', 'rb').read()\n"
        "assert own[4] == 3\n"
    )
    bivy("run", "--output", str(layout), "--entrypoint", "python3", "service:0", "-c", program)


def test_the_user_has_no_rights_and_a_home(project: Path, layout: Path) -> None:
    app(project, layout)
    words = ("--entrypoint", "sh", "service:0", "-c", 'id -u; id -g; echo "$HOME"; pwd')
    assert bivy("run", "--output", str(layout), *words).stdout.split() == ["65532", "65532", "/home/nonroot", "/app"]


def test_nothing_of_the_project_s_belongs_to_its_user(project: Path, layout: Path) -> None:
    from bivy.oci.layer import read_layer, read_tar

    app(project, layout)
    layers = read_image(layout, "service:0").layers
    for layer in layers:
        for entry in read_tar(read_layer(layer), "a layer").entries:
            own = entry.uid == 65532
            assert own == (entry.path == "home/nonroot"), entry.path
            assert entry.mode & 0o002 == 0 or entry.mode & 0o1000 or entry.kind.value == "symlink", entry.path


def test_processes_that_nobody_waits_for_are_taken_care_of(project: Path, layout: Path) -> None:
    (project / "main.py").write_text(
        "import os, subprocess, time\n"
        "subprocess.run(['sh', '-c', 'sleep 0.1 & sleep 0.2 &'], check=True)\n"
        "time.sleep(1)\n"
        "states = []\n"
        "for name in filter(str.isdigit, os.listdir('/proc')):\n"
        "    states.append(open(f'/proc/{name}/stat').read().rpartition(')')[2].split()[0])\n"
        "print(states.count('Z'))\n"
    )
    app(project, layout)
    assert bivy("run", "--output", str(layout), "service:0").stdout == "0\n"


@pytest.mark.parametrize(
    ("program", "status"), [("import sys; sys.exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_status_is_the_program_s(project: Path, layout: Path, program: str, status: int) -> None:
    (project / "main.py").write_text(program)
    app(project, layout)
    assert bivy("run", "--output", str(layout), "service:0", check=False).returncode == status


def test_an_image_for_another_architecture_is_made_without_running_anything_of_it(project: Path, layout: Path) -> None:
    import dataclasses

    from bivy.oci.image import make_image
    from bivy.oci.layout import write_image
    from tests.app.making import base_image

    foreign = base_image()
    config = dataclasses.replace(foreign.config, architecture="s390x")
    write_image(make_image(config, foreign.layers), layout, ["foreign:1"])
    made = app(project, layout, "--base", "foreign:1", "--platform", "linux/s390x")
    images = made["images"]
    assert isinstance(images, list)
    assert images[0]["platform"] == "linux/s390x"
    image = read_image(layout, "service:0", "linux/s390x")
    assert image.config.entrypoint[0] == "/sbin/bivy-init"


def test_an_entrypoint_that_is_not_there_makes_no_image(project: Path, layout: Path) -> None:
    words = ("app", str(project), "--output", str(layout), "--name", "broken:1", "--entrypoint", "gunicorn main:app")
    done = bivy(*words, check=False)
    assert done.returncode == 2
    assert "no program 'gunicorn'" in done.stderr
    assert "broken:1" not in bivy("images", "--output", str(layout)).stdout


def test_what_was_pushed_is_sent_again_only_where_it_changed(project: Path, layout: Path) -> None:
    from tests.oci.registry.standin import stand_in

    with stand_in() as registry:
        host = f"127.0.0.1:{registry.port}"
        place = f"{host}/team/service:1"
        app(project, layout, "--push", place)
        assert len(registry.manifests) >= 2  # the image, and the list of what is in it
        registry.requests.clear()
        (project / "main.py").write_text(SERVER + "# changed\n")
        made = app(project, layout, "--push", place)
        sent = [each for each in registry.requests if each.method == "PUT" and "/blobs/" in each.path]
        assert len(sent) <= 2  # the project's layer and the config
        assert made["pushed"] == [f"{host}/team/service@{digest_of(made)}"]


def test_alpine_packages_are_added_with_apk_s_database(project: Path, layout: Path) -> None:
    app(project, layout, "--package", "bash", "--name", "with-bash:1")
    words = ("--entrypoint", "bash", "with-bash:1", "-c", "apk info -e bash && tail -n 1 /etc/passwd")
    told = bivy("run", "--output", str(layout), *words).stdout
    assert told.startswith("bash\nnonroot:x:65532:65532:")


def test_a_change_in_a_folder_beside_the_project_makes_another_image(layout: Path, tmp_path: Path) -> None:
    from tests.app.test_places import package

    lib = package(tmp_path / "lib", "lib", text='def say(): print("one")\n')
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "requirements.txt").write_text("../lib\n")
    (folder / "main.py").write_text("import lib\nlib.say()\n")
    app(folder, layout)
    time.sleep(0.1)
    app(folder, layout)
    assert app(folder, layout)["unchanged"]
    (lib / "src" / "lib" / "__init__.py").write_text('def say(): print("two")\n')
    assert not app(folder, layout)["unchanged"]
    assert bivy("run", "--output", str(layout), "service:0").stdout == "two\n"
