"""``apk stats``: how much is installed, and how much there is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session

OPTIONS: tuple[Option, ...] = ()


def main(session: Session) -> int:
    """Print the numbers."""
    session.refresh = False
    packages = session.state.installed
    names = session.names()
    session.put(
        "installed:\n"
        f"  packages: {len(packages)}\n"
        f"  dirs: {len({folder.path for package in packages for folder in package.folders})}\n"
        f"  files: {sum(len(folder.files) for package in packages for folder in package.folders)}\n"
        f"  bytes: {sum(package.entry.installed_size for package in packages)}\n"
        f"  triggers: {len(session.state.triggers)}\n"
        "available:\n"
        f"  names: {len(names)}\n"
        f"  packages: {sum(len(session.packages(name)) for name in names)}"
    )
    return 0
