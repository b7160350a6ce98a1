"""The page of HTML in a real browser: wide and narrow, light and dark, without JavaScript."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from bivy.oci.inspect import FileReport
from bivy.page.data import Publisher
from bivy.page.facts import Facts
from bivy.page.html import as_html
from bivy.page.parts import make_files
from bivy.page.verified import Outcome, Verified
from tests.page.images import HOSTILE, bare_facts, python_facts

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

# What the page's policy does not let run, in a copy without the policy: how the page is laid out.
PROBE = """
<script>
const boxes = (selector) => [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect());
const seen = [...document.querySelectorAll("svg.map")].filter((one) => one.getBoundingClientRect().width > 0);
const outside = [];
for (const group of seen.flatMap((one) => [...one.querySelectorAll("g")])) {
  const rect = group.querySelector("rect").getBoundingClientRect();
  for (const text of group.querySelectorAll("text")) {
    const box = text.getBoundingClientRect();
    const beyond = Math.max(rect.left - box.left, box.right - rect.right, rect.top - box.top, box.bottom - rect.bottom);
    if (beyond > 1) outside.push(text.textContent);
  }
}
document.body.append(Object.assign(document.createElement("pre"), { id: "probe", textContent: JSON.stringify({
  width: innerWidth,
  scroll: document.documentElement.scrollWidth,
  maps: seen.map((one) => one.classList[1]),
  labels: seen.reduce((sum, one) => sum + one.querySelectorAll("text").length, 0),
  outside,
  font: Math.min(...seen.flatMap((one) => [...one.querySelectorAll("text")])
    .map((one) => 12 * one.ownerSVGElement.getBoundingClientRect().width / one.ownerSVGElement.viewBox.baseVal.width)),
  headings: boxes("h2").length,
  cells: [...document.querySelectorAll("td")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.textContent.slice(0, 30)),
}) }));
</script>
"""


def checked() -> Verified:
    outcomes = (Outcome("a", "Every link leads somewhere", "root", "passed"),)
    return Verified("sha256:0", "2026-11-25T08:00:00Z", "0.1.0", outcomes)


def hostile() -> Facts:
    facts = python_facts()
    files = tuple(FileReport(f"srv/{number}/{text}", 10**5, 0, text) for number, text in enumerate(HOSTILE))
    packages = tuple(replace(facts.packages[0], name=text, license=text, description=text) for text in HOSTILE)
    return replace(facts, files=files, packages=packages, unpacked=sum(file.size for file in files))


PAGES = {"python": python_facts, "bare": bare_facts, "hostile": hostile}


@functools.cache
def html(name: str) -> str:
    facts = PAGES[name]()
    return as_html(facts, make_files(facts, Publisher(), checked())).decode()


def chromium(folder: Path, page: str, *words: str, width: int = 1280, dark: bool = False) -> str:
    assert CHROMIUM
    (folder / "page.html").write_text(page)
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [CHROMIUM, "--headless", *sandbox, "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={folder}/profile", scheme, f"--window-size={width},900", *words]
    done = subprocess.run([*command, f"file://{folder}/page.html"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def laid_out(folder: Path, name: str, width: int) -> dict[str, object]:
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html(name))
    shown = chromium(folder, page.replace("</body>", f"{PROBE}</body>"), "--dump-dom", width=width)
    found = re.search(r'<pre id="probe">(.*?)</pre>', shown, re.DOTALL)
    assert found
    said: dict[str, object] = json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    return said


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_is_wider_than_the_window_and_one_picture_is_shown_with_its_labels_inside(
    name: str, width: int, tmp_path: Path
) -> None:
    found = laid_out(tmp_path, name, width)
    assert found["scroll"] == found["width"] == width
    assert found["maps"] == ["wide" if width > 640 else "narrow"]
    assert found["outside"] == []
    assert found["labels"]
    assert found["font"] >= 10  # type: ignore[operator]
    if name != "hostile" or width < 640:  # a cell that is one long word may scroll, within its table
        assert found["cells"] == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_light_or_dark_as_the_reader_prefers(dark: bool, tmp_path: Path) -> None:
    chromium(tmp_path, html("python"), f"--screenshot={tmp_path}/shot.png", dark=dark)
    red, green, blue = first_pixel((tmp_path / "shot.png").read_bytes())
    assert (max(red, green, blue) < 60) if dark else (min(red, green, blue) > 240)


def test_the_browser_sees_the_page_as_it_was_written_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    shown = chromium(tmp_path, html("hostile"), "--dump-dom", "--enable-logging=stderr")
    for tag in ("script", "img", "iframe"):
        assert f"<{tag}" not in shown
    assert shown.count("<table") == html("hostile").count("<table")
    assert shown.count("</li>") == html("hostile").count("</li>")


def first_pixel(png: bytes) -> tuple[int, int, int]:
    """Return the colour of the left upper corner: no filter of PNG's changes it (RFC 2083, 6)."""
    data, at = b"", 8
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += 12 + size
    row = zlib.decompressobj().decompress(data, 64)
    return row[1], row[2], row[3]
