"""stub"""

import pickle, os
from bivy.apk.entry import Kind


class P:
    pass


def write_package(info, entries, scripts={}, signer=None):
    return pickle.dumps((info, entries))


def read_package(path):
    p = P()
    p.info, p.entries = pickle.loads(path.read_bytes())
    return p


def extract(package, folder):
    for e in package.entries:
        t = folder / e.path
        if e.kind is Kind.DIRECTORY:
            t.mkdir(parents=True, exist_ok=True)
        else:
            t.parent.mkdir(parents=True, exist_ok=True)
            if e.kind is Kind.FILE:
                t.write_bytes(e.content)
                t.chmod(e.mode)
            elif e.kind is Kind.SYMLINK:
                if t.is_symlink():
                    t.unlink()
                os.symlink(e.target, t)
            else:
                os.link(folder / e.target, t)
