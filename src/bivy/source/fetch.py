"""stub"""

import subprocess, hashlib
from pathlib import Path


def fetch(pins, *, cache, mirrors, archives=None, progress, jobs=4):
    out = {}
    base = [l.split()[1] for l in open("/etc/apt/sources.list.d/debian.sources") if l.startswith("URIs")][0]
    for pin in pins:
        for place in pin.places:
            p = cache / "stubsources" / place.sha256
            if p.exists():
                out[pin] = p
                break
            if not place.debian:
                continue
            p.parent.mkdir(parents=True, exist_ok=True)
            t = p.with_suffix(".part")
            if subprocess.run(["curl", "-sfL", "-o", str(t), f"{base}/{place.debian}"]).returncode:
                continue
            got = hashlib.sha256(t.read_bytes()).hexdigest()
            if got != place.sha256:
                raise Exception(f"{pin.name}: {got} != {place.sha256}")
            t.rename(p)
            out[pin] = p
            break
        else:
            raise Exception(f"cannot get {pin.name}")
    return out
