"""Markup: XML read at once, bit by bit and by events, written, searched and changed; HTML; namespaces; entities."""

import html
import html.parser
import io
import xml.dom.minidom
import xml.etree.ElementTree as ET
import xml.parsers.expat
import xml.sax

ATOM = "http://www.w3.org/2005/Atom"


def feed(count: int) -> bytes:
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed", {"lang": "en"})
    for number in range(count):
        entry = ET.SubElement(root, f"{{{ATOM}}}entry", id=f"e{number}")
        ET.SubElement(entry, f"{{{ATOM}}}title").text = f"Entry {number} & more < less, ünicode «{number * 7}»"
        ET.SubElement(entry, f"{{{ATOM}}}link", href=f"/entry/{number}?a=1&b=2", rel="alternate").tail = "\n    "
        summary = ET.SubElement(entry, f"{{{ATOM}}}summary", type="text")
        summary.text = "Some words that say what it is about. " * (number % 7)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def plain(count: int) -> str:
    rows = "".join(
        f'<row n="{n}" kind="{"odd" if n % 2 else "even"}"><cell>{n}</cell><cell>{n * n}</cell><!-- note --><empty/><cell>text {n} &amp; co</cell></row>\n'
        for n in range(count)
    )
    return f"<?xml version='1.0'?>\n<!DOCTYPE table [<!ENTITY who 'somebody'>]>\n<table>&who;\n{rows}<![CDATA[<raw> & data]]></table>"


class Counter(xml.sax.ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def startElement(self, name: str, attributes: xml.sax.xmlreader.AttributesImpl) -> None:
        self.total += len(name) + len(attributes.getNames())

    def characters(self, content: str) -> None:
        self.total += len(content)


class Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if tag == "a" and name == "href"]


def events(text: str) -> int:
    total = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal total
        total += len(name) + len(attributes)

    def data(content: str) -> None:
        nonlocal total
        total += len(content)

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = start, data
    parser.buffer_text = True
    parser.Parse(text, True)
    return total


def searched(root: ET.Element) -> int:
    spaces = {"a": ATOM}
    total = len(root.findall("a:entry/a:title", spaces)) + len(root.findall(".//a:link[@rel='alternate']", spaces))
    for entry in root.iter(f"{{{ATOM}}}entry"):
        total += len(entry.get("id", "")) + len(entry.findtext("a:summary", "", spaces)) + len(list(entry))
        entry.set("seen", "yes")
        entry.remove(entry[0])
    return total + sum(len(piece) for piece in root.itertext())


def main() -> None:
    written, table = feed(700), plain(1500)
    root = ET.fromstring(written)
    total = searched(root) + len(ET.tostring(root)) + events(table) + len(ET.fromstring(table))
    pulled = ET.XMLPullParser(["start", "end"])
    for at in range(0, len(written), 2000):
        pulled.feed(written[at : at + 2000])
        total += sum(len(element) for _, element in pulled.read_events())
    for _, element in ET.iterparse(io.StringIO(table)):
        total += len(element.text or "")
        if element.tag == "row":
            element.clear()
    tree = ET.parse(io.BytesIO(written))
    tree.write(io.BytesIO(), encoding="utf-8")
    handler = Counter()
    xml.sax.parseString(table.encode(), handler)
    document = xml.dom.minidom.parseString(plain(60))
    total += len(document.toxml()) + len(document.getElementsByTagName("cell"))
    links = Links()
    page = "".join(f'<p class=x><a href="/{n}?q={html.escape(str(n) + "<&>")}">link {n}</a> &eacute;&#8364;<br/></p>\n' for n in range(400))
    links.feed(f"<html><body>{page}</body></html>")
    print(total, handler.total, len(links.found), len(html.unescape(page)))


if __name__ == "__main__":
    main()
