"""The tags under which an image is to be had, by the rules of the official images."""

from __future__ import annotations


def tag_names(version: str, release: str = "", *, newest: bool = True) -> tuple[str, ...]:
    """Return the tags of the Python image of a version, from the most exact to the loosest.

    Official images have the same (docker-library/official-images, library/python), but for those that do not say
    ``alpine``, which are Debian's.

    Args:
        version: Python's: ``3.14.7``.
        release: Alpine's, where the image consists of its packages: ``3.24``; empty where it is of none.
        newest: Whether the version's series is the newest, which the tags that name none belong to.
    """
    series = version.rpartition(".")[0]
    heads = [f"{version}-", f"{series}-", *(["3-", ""] if newest else [])]
    ends = [f"alpine{release}"] if release else ["alpine"]
    return tuple(f"{head}{end}" for end in ends for head in heads)
