"""The options of ``apk``: tables of them, and what a command line gives."""

from __future__ import annotations

from getopt import GetoptError, gnu_getopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Option = tuple[str, str, str, str]
    """A long name, a letter or nothing, what its value is called or nothing, and what it does."""

GLOBAL: tuple[Option, ...] = (
    ("allow-untrusted", "", "", "Take indexes and packages that no trusted key has signed, and say so."),
    ("arch", "", "ARCH", "Take packages for this architecture."),
    ("cache-dir", "", "DIR", "Keep indexes and packages here.  [var/cache/apk in the root]"),
    ("cache-max-age", "", "MINUTES", "Fetch an index again when it is older.  [240]"),
    ("force", "f", "", "All of --force-broken-world, -non-repository, -old-apk and -overwrite."),
    ("force-binary-stdout", "", "", "Write a package to a terminal too."),
    ("force-broken-world", "", "", "Go on where not everything that is asked for can be had."),
    ("force-missing-repositories", "", "", "Go on where an index cannot be had."),
    ("force-non-repository", "", "", "Add package files even where they would be lost at the next start."),
    ("force-old-apk", "", "", "Take packages that ask for a newer apk."),
    ("force-overwrite", "", "", "Let a package overwrite another one's files."),
    ("force-refresh", "", "", "Fetch indexes past all caches on the way."),
    ("help", "h", "", "Show this."),
    ("interactive", "i", "", "Ask before anything is changed."),
    ("keys-dir", "", "DIR", "Trust the public keys in this folder.  [etc/apk/keys in the root]"),
    ("no-cache", "", "", "Read no cached index, and keep none."),
    ("no-check-certificate", "", "", "Do not check who an https server is: signatures are checked all the same."),
    ("no-interactive", "", "", "Ask nothing."),
    ("no-network", "", "", "Use what is on this machine."),
    ("no-progress", "", "", "Show no progress."),
    ("print-arch", "", "", "Print the architecture and end."),
    ("progress", "", "", "Show progress."),
    ("progress-fd", "", "FD", "Write progress to this file descriptor."),
    ("purge", "", "", "Remove changed configuration files and cached packages too."),
    ("quiet", "q", "", "Say less."),
    ("repositories-file", "", "FILE", "Take this list of repositories.  [etc/apk/repositories in the root]"),
    ("repository", "X", "REPOSITORY", "Take this repository too; may be given several times."),
    ("root", "p", "DIR", "Work on the system in this folder.  [/]"),
    ("timeout", "", "SECONDS", "Give up a server that sends nothing for so long.  [15]"),
    ("update-cache", "U", "", "Fetch all indexes again."),
    ("verbose", "v", "", "Say more; may be given several times."),
    ("version", "V", "", "Print the version and end."),
    ("wait", "", "SECONDS", "Wait for another apk to end."),
)
COMMIT: tuple[Option, ...] = (
    ("clean-protected", "", "", "Put no .apk-new beside a changed configuration file."),
    ("no-commit-hooks", "", "", "Run no hooks of etc/apk/commit_hooks.d."),
    ("no-scripts", "", "", "Run no scripts of packages."),
    ("simulate", "s", "", "Show what would be done, and do nothing."),
)
SOURCE: tuple[Option, ...] = (
    ("from", "", "SOURCE", "Where packages are looked for: none, repositories, installed, system.  [system]"),
)


class Given:
    """What a command line gives.

    Attributes:
        words: What is no option.
    """

    __slots__ = ("_values", "words")

    def __init__(self, values: dict[str, list[str]], words: Sequence[str]) -> None:
        self._values = values
        self.words = tuple(words)

    def has(self, name: str) -> bool:
        """Tell whether an option is given."""
        return name in self._values

    def add(self, name: str) -> None:
        """Take an option that has no value for given."""
        self._values.setdefault(name, [""])

    def count(self, name: str) -> int:
        """Tell how often an option is given."""
        return len(self._values.get(name, ()))

    def value(self, name: str, default: str = "") -> str:
        """Return an option's value, the last where there are several."""
        return self._values.get(name, [default])[-1]

    def values(self, name: str) -> tuple[str, ...]:
        """Return all values of an option, in order."""
        return tuple(self._values.get(name, ()))

    def number(self, name: str, default: int) -> int:
        """Return an option's value, which is a number.

        Raises:
            GetoptError: It is none.
        """
        text = self.value(name, str(default))
        if not (text.isascii() and text.isdecimal()):
            raise GetoptError(f"option --{name} takes a number, not {text!r}", name)
        return int(text)


def parse(words: Sequence[str], options: Iterable[Option]) -> Given:
    """Read a command line: options and words may come in any order, ``--`` ends the options.

    Raises:
        GetoptError: An option is not known, lacks its value or has one that it does not take.
    """
    table = tuple(options)
    by_flag = {f"--{name}": name for name, _, _, _ in table} | {f"-{short}": name for name, short, _, _ in table}
    letters = "".join(short + (":" if metavar else "") for _, short, metavar, _ in table if short)
    found, rest = gnu_getopt(list(words), letters, [name + ("=" if metavar else "") for name, _, metavar, _ in table])
    values: dict[str, list[str]] = {}
    for flag, value in found:
        values.setdefault(by_flag[flag], []).append(value)
    return Given(values, rest)


def describe(title: str, options: Sequence[Option]) -> str:
    """Return the lines of help on a table of options."""
    heads = [
        (f"-{short}, " if short else "    ") + f"--{name}" + (f" {metavar}" if metavar else "")
        for name, short, metavar, _ in options
    ]
    width = min(max(map(len, heads)), 30)
    lines = [f"{title} options:"]
    for head, (_, _, _, text) in zip(heads, options, strict=True):
        if len(head) > width:
            lines += [f"  {head}", f"  {'':{width}}  {text}"]
        else:
            lines.append(f"  {head:{width}}  {text}")
    return "\n".join(lines)
