"""What this Python is, as JSON on standard output."""

import glob
import json
import os
import platform
import subprocess
import sys
import sysconfig


def libc() -> str:
    """Return the C library and its version: glibc's from itself, musl's from what its loader says (ldso/dynlink.c)."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        version = None
    if version:
        return version
    for loader in glob.glob("/lib/ld-musl-*.so.1"):  # noqa: PTH207 - nothing heavy is imported
        said = subprocess.run([loader], capture_output=True, text=True, check=False).stderr
        for line in said.splitlines():
            if line.startswith("Version "):
                return f"musl {line.removeprefix('Version ')}"
        return "musl"
    return ""


if __name__ == "__main__":
    json.dump(
        {
            "version": platform.python_version(),
            "build": " ".join(sys.version.split()),
            "libc": libc(),
            "machine": platform.machine(),
            "options": sysconfig.get_config_var("CONFIG_ARGS") or "",
        },
        sys.stdout,
    )
