"""stub"""

import tarfile, shutil


def unpack(archive, folder):
    folder.mkdir(parents=True)
    t = tarfile.open(archive)
    t.extractall(folder, filter="data")
    kids = list(folder.iterdir())
    if len(kids) == 1 and kids[0].is_dir():
        tmp = folder.with_name(folder.name + ".x")
        kids[0].rename(tmp)
        folder.rmdir()
        tmp.rename(folder)
