"""The examples on the image's own page are typed as they stand there, and answer as it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bivy.page.data import Publisher
from bivy.page.opened import read_facts
from bivy.page.parts import make_files
from bivy.repository.serve import open_server
from bivy.sandbox import why_no_sandbox
from tests.integration.conftest import NAME, bivy
from tests.page.examples import Example, examples_of, fits

pytestmark = [
    pytest.mark.clients,
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no container can be started here: {why_no_sandbox()}"),
]

TITLES = (
    "As the base of an application", "Without a Dockerfile", "A single script", "Adding packages",
    "Will a project run on it?",
)  # fmt: skip

# What docker would do, by buildah and bivy: nobody here has a daemon.
DOCKER = """#!/bin/sh -e
store={store}
case $1 in
build)
    [ "$2" = -t ]
    exec buildah --root $store/storage --runroot $store/run --storage-driver vfs bud --quiet --pull-never \\
        --isolation chroot {volumes} --tag "oci-archive:$store/$3.tar:$3" "$4" >/dev/null
    ;;
run)
    shift
    [ "$1" = --rm ] && shift
    options=
    while [ "${{1#-}}" != "$1" ]; do options="$options $1 $2"; shift 2; done
    image=$1; shift
    if [ -e "$store/$image.tar" ]; then image=oci-archive:$store/$image.tar; fi
    exec bivy run $options "$image" "$@"
    ;;
*)
    exit 64
    ;;
esac
"""


@dataclass(frozen=True)
class Person:
    """Who types the examples: a folder to be in, and a PATH with bivy and what stands in for docker."""

    folder: Path
    path: str

    def types(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, capture_output=True, text=True, timeout=600,
            env={**os.environ, "PATH": f"{self.path}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="session")
def examples(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    facts = read_facts(NAME, layout=dist, platform="", cache=tmp_path_factory.mktemp("cache"))
    return examples_of(make_files(facts, Publisher(), None)["README.md"].decode())


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[list[str]]:
    """bash in a repository on loopback; it gives what the image has to have mounted, to find and to trust it."""
    bivy("repo", "keygen", "tests@example.org", "--output", f"{tmp_path}/keys")
    (key,) = (tmp_path / "keys").glob("*.rsa")
    made = ("--with-dependencies", "--output", f"{tmp_path}/repository", "--key", str(key))
    bivy("repo", "build", "bash", *made)
    key.unlink()
    server = open_server(tmp_path / "repository", "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "repositories").write_text(f"http://127.0.0.1:{server.server_address[1]}\n")
    yield [f"{tmp_path}/repositories:/etc/apk/repositories:ro", f"{tmp_path}/keys:/etc/apk/keys:ro"]
    server.shutdown()
    server.server_close()


@pytest.fixture
def person(dist: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Person:
    volumes = list(request.getfixturevalue("repository")) if "Adding packages" in request.node.name else []
    if trusted := os.environ.get("SSL_CERT_FILE"):  # whom this machine trusts, the build has to trust, too
        (tmp_path / "pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
        volumes += [f"{trusted}:/etc/ssl/certs/ca-certificates.crt:ro", f"{tmp_path}/pip.conf:/etc/pip.conf:ro"]
    folder, programs, store = tmp_path / "project", tmp_path / "programs", tmp_path / "store"
    for each in (folder, programs, store):
        each.mkdir()
    shutil.copytree(dist, folder / "dist", copy_function=os.link)
    mounted = " ".join(f"--volume {volume}" for volume in volumes)
    (programs / "docker").write_text(DOCKER.format(store=store, volumes=mounted))
    (programs / "bivy").write_text(f'#!/bin/sh\nexec {sys.executable} -m bivy "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    return Person(folder, str(programs))


def with_image(person: Person, dist: Path) -> None:
    """Give buildah the image under its name."""
    program = shutil.which("buildah")
    if program is None:
        pytest.skip("buildah is not installed")
    if os.geteuid() != 0:
        pytest.skip("buildah needs subordinate user ids, which only an administrator can give")
    store = person.folder.parent / "store"
    words = [program, "--root", f"{store}/storage", "--runroot", f"{store}/run", "--storage-driver", "vfs"]
    pulled = subprocess.run(
        [*words, "pull", "--quiet", f"oci:{dist}:{NAME}"], capture_output=True, text=True, timeout=300
    )
    assert pulled.returncode == 0, pulled.stderr
    subprocess.run([*words, "tag", pulled.stdout.strip(), NAME], check=True, capture_output=True, timeout=60)


def test_the_page_has_these_examples(examples: list[Example]) -> None:
    assert tuple(example.title for example in examples) == TITLES
    assert all(example.commands for example in examples)


@pytest.mark.parametrize("title", TITLES)
def test_an_example_does_what_the_page_says(title: str, examples: list[Example], person: Person, dist: Path) -> None:
    number = TITLES.index(title)
    if any(command.typed.startswith("docker build") for command in examples[number].commands):
        with_image(person, dist)
    for example in examples[: number + 1]:  # later ones go on with the files of earlier ones
        for name, content in example.files.items():
            (person.folder / name).write_text(content)
    for command in examples[number].commands:
        said = person.types(command.typed)
        assert fits(command.answer, said), f"{command.typed}\n{said}"
