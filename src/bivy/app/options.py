"""What a person may say about the image of a project: the keys of ``[tool.bivy]``, each of which has a flag too."""

from __future__ import annotations

import msgspec


class AppOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What the image is to be like; everything has a default that is right for a plain project.

    Attributes:
        name: The image's name, ``registry.example.org/team/shop``; empty for the project's.
        tag: Its tag; empty for the project's version.
        base: The image that it stands on, a reference; empty for ``python:MINOR-alpine`` as bivy builds it.
        python: The minor version of Python, where no base is named; empty for the image's default.
        architectures: Which platforms it is for, by Alpine's names or OCI's; none for this machine's.
        packages: Alpine packages that are added to the base.
        build_packages: Alpine packages that the project is compiled with, where it has to be: ``libpq-dev``; they do
            not go into the image.
        extras: The project's optional dependencies that go in.
        groups: Its dependency groups (PEP 735) that go in.
        script: The name of the script (``[project.scripts]``) that is started.
        module: The module that is started, as with ``python -m``.
        entrypoint: The program that is started, with its first arguments, in place of a script or module.
        command: The arguments that whoever starts a container may replace.
        environment: Environment variables.
        user: Who the program runs as, ``UID`` or ``UID:GID``, or a name that the base knows; empty for bivy's own
            unprivileged user.
        workdir: The folder that it starts in.
        ports: The ports that it listens on, ``8000`` or ``53/udp``.
        volumes: The folders whose content outlives a container.
        labels: Labels, beside those from the project's metadata.
        include: Patterns of files that go into the image beside the wheel of a project that has a build backend.
        exclude: Patterns of files that stay out, as in ``.gitignore``, beside the usual ones.
    """

    name: str = ""
    tag: str = ""
    base: str = ""
    python: str = ""
    architectures: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    script: str = ""
    module: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    user: str = ""
    workdir: str = ""
    ports: tuple[str | int, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
