"""Whether what bivy's list offers instead of a distribution can be installed on musl: ``python -m bench.known``.

The index is asked for the newest release of each; one that has no wheel for musl, and is not pure, is named, and the
exit status is 1. So is an entry that says there is nothing to install, of which the newest release now fits.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.musl.dependencies.choose import Fit, by_version, newest_that_fits
from bivy.musl.dependencies.index import Index
from bivy.musl.dependencies.known import known_distributions
from bivy.musl.dependencies.settings import default_index
from bivy.musl.target import make_target


def main() -> None:
    """Ask, and print what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.14")
    target = make_target(parser.parse_args().python, ARCHES["x86_64"], "1.2.6")
    known = known_distributions()
    offered = {_name(each) for entry in known.values() for each in entry.instead}
    offered |= {"psycopg-binary"} if "psycopg" in offered else set()  # what psycopg[binary] brings
    hopeless = {name for name, entry in known.items() if not entry.compiles}
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder))
        for name in sorted(offered | hopeless):
            try:
                found = newest_that_fits(by_version(index.files(name, default_index(())), name), target)
            except BivyError as fault:
                sys.exit(str(fault))
            fits = found is not None and found[1].fit in (Fit.PURE, Fit.MUSL)
            if fits != (name in offered):
                faults += 1
                print(f"{name}: {found[1].file.name if found else 'nothing fits'}")
        index.close()
    print(f"{len(offered)} offered and {len(hopeless)} without hope, on {target}; {faults} do not hold")
    sys.exit(1 if faults else 0)


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]


if __name__ == "__main__":
    main()
