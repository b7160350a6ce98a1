"""Data at rest: databases, archives, XML, checksums, files and folders, dates and times."""

import binascii
import base64
import bz2
import datetime
import glob
import gzip
import hashlib
import io
import ipaddress
import itertools
import lzma
import os
import pathlib
import shutil
import sqlite3
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ElementTree
import xml.sax.saxutils
import zipfile
import zlib
import zoneinfo


def database(count: int) -> int:
    store = sqlite3.connect(":memory:")
    store.row_factory = sqlite3.Row
    store.executescript("create table person(id integer primary key, name text, born real, note blob); create index i on person(name);")
    with store:
        store.executemany("insert into person(name, born, note) values(?, ?, ?)", ((f"name {i % 97}", i / 3, b"x" * (i % 20)) for i in range(count)))
    store.create_function("double", 1, lambda value: value * 2)
    total = 0
    for row in store.execute("select id, name, double(born) as twice, note from person where id % 3 = 0 order by name, id"):
        total += row["id"] + len(row["name"]) + int(row["twice"]) + len(row["note"])
    for i in range(300):
        total += store.execute("select count(*) from person where name = :name", {"name": f"name {i % 97}"}).fetchone()[0]
    store.execute("update person set name = upper(name) where id < 100")
    return total + len(store.execute("select name, sum(born) from person group by name").fetchall())


def documents(count: int) -> int:
    root = ElementTree.Element("library", version="1")
    for i in range(count):
        book = ElementTree.SubElement(root, "book", id=str(i), lang="de" if i % 2 else "en")
        ElementTree.SubElement(book, "title").text = f"Title & <{i}> ü"
        ElementTree.SubElement(book, "price").text = f"{i / 9:.2f}"
    text = ElementTree.tostring(root, encoding="utf-8")
    tree = ElementTree.parse(io.BytesIO(text))
    total = len(tree.findall("./book[@lang='de']")) + sum(len(title.text or "") for title in tree.iter("title"))
    for _, element in ElementTree.iterparse(io.BytesIO(text), events=("start", "end")):
        total += len(element.tag)
    return total + len(xml.sax.saxutils.escape(text.decode()))


def archives(folder: pathlib.Path) -> int:
    content = b"".join(b"%d some text that repeats itself, more or less %d\n" % (i, i * i) for i in range(6000))
    total = sum(zlib.crc32(content[i : i + 999]) & 7 for i in range(0, len(content), 999)) + zlib.adler32(content) % 7
    for module in (gzip, bz2, lzma, zlib):
        total += len(module.decompress(module.compress(content[:150_000])))
    for name in ("sha256", "sha1", "md5", "blake2b", "sha3_256"):
        total += len(hashlib.new(name, content).hexdigest())
        for i in range(300):
            total += hashlib.new(name, b"%d" % i).digest()[0]
    for encode, decode in ((base64.b64encode, base64.b64decode), (binascii.hexlify, binascii.unhexlify), (base64.b85encode, base64.b85decode)):
        total += len(decode(encode(content[:30_000])))
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(60):
            archive.writestr(f"d/{i}.txt", content[i * 100 : i * 900])
    with zipfile.ZipFile(folder / "a.zip") as archive:
        total += sum(len(archive.read(name)) for name in archive.namelist())
    with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
        archive.add(folder / "a.zip", "a.zip")
    with tarfile.open(folder / "a.tar.gz") as archive:
        archive.extractall(folder / "out", filter="data")
    return total


def files(folder: pathlib.Path) -> int:
    total = 0
    for i in range(250):
        place = folder / f"p{i % 10}" / f"{i}.txt"
        place.parent.mkdir(exist_ok=True)
        place.write_text("line\nanother line\n" * (i % 30), encoding="utf-8")
        total += place.stat().st_size + len(place.suffix) + place.exists()
    for base, folders, names in os.walk(folder):
        total += len(folders) + sum(os.path.getsize(os.path.join(base, name)) for name in names)
    for place in folder.rglob("*.txt"):
        with place.open(encoding="utf-8") as lines:
            total += sum(len(line.rstrip()) for line in lines)
        total += len(place.read_bytes()) + len(place.relative_to(folder).parts)
    total += len(glob.glob(str(folder / "p*" / "*[02468].txt"))) + len(list(os.scandir(folder)))
    shutil.copytree(folder / "p1", folder / "copy")
    shutil.rmtree(folder / "copy")
    buffer = io.BytesIO()
    for i in range(3000):
        buffer.write(b"%08d" % i)
    view = memoryview(buffer.getvalue())
    return total + sum(view[i * 8] for i in range(3000)) + len(bytes(view[10:-10:3]))


def times(count: int) -> int:
    start = datetime.datetime(2026, 1, 31, 12, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    total = 0
    for i in range(count):
        moment = start + datetime.timedelta(days=i, minutes=i * 7)
        text = moment.isoformat()
        total += datetime.datetime.fromisoformat(text) == moment
        total += len(moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")) + moment.weekday()
        total += (moment.date() - datetime.date(2020, 2, 29)).days
        if i % 20 == 0:
            total += datetime.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").year + time.gmtime(i).tm_mon
    net = ipaddress.ip_network("10.0.0.0/16")
    return total + sum(ipaddress.ip_address(f"10.{i % 3}.0.{i % 255}") in net for i in range(count))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        print(database(4000), documents(1200), archives(folder), files(folder), times(1500), sum(itertools.islice(itertools.count(), 5)))


if __name__ == "__main__":
    main()
