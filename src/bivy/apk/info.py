"""stub"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackageInfo:
    name: str
    version: str
    arch: str
    description: str = ""
    url: str = ""
    license: str = ""
    origin: str = ""
    commit: str = ""
    maintainer: str = ""
    packager: str = ""
    build_date: int = 0
    installed_size: int = 0
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
