"""How long a Python takes from its start to its end, several times: COUNT and the command line; seconds as JSON."""

import json
import os
import sys
import time


def start(command: "list[str]") -> float:
    """Run a command once and return the seconds that it took.

    Raises:
        SystemExit: It failed.
    """
    begun = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status = os.waitpid(child, 0)
    taken = time.perf_counter() - begun
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return taken


if __name__ == "__main__":
    start(sys.argv[2:])
    json.dump([start(sys.argv[2:]) for _ in range(int(sys.argv[1]))], sys.stdout)
