"""Text: split, search, replace, count, wrap, encode; regular expressions over logs; parsers of several kinds of files."""

import codecs
import collections
import csv
import difflib
import fnmatch
import html.parser
import io
import re
import shlex
import textwrap
import tokenize
import tomllib
import unicodedata
import configparser

WORDS = (
    "the quick brown fox jumps over the lazy dog while seven wizards box daftly and Größe naïve coöperate über "
    "señor piñata déjà-vu 12 345 6.78 e-mail@example.org http://example.org/path?x=1 snake_case CamelCase"
).split()


def prose(count: int) -> str:
    state = 12345
    out = []
    for number in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        word = WORDS[state % len(WORDS)]
        out.append(word.capitalize() if number % 11 == 0 else word)
        if number % 11 == 10:
            out[-1] += "."
    return " ".join(out)


def logs(count: int) -> str:
    return "\n".join(
        f'10.0.{i % 256}.{i * 7 % 256} - user{i % 13} [0{1 + i % 9}/Nov/2026:1{i % 10}:0{i % 6}:59 +0000] '
        f'"{("GET", "POST", "PUT")[i % 3]} /a/{i}/b?c={i % 17} HTTP/1.1" {(200, 404, 301, 500)[i % 4]} {i * 37 % 10000} '
        f'"-" "Agent/{i % 5}.{i % 3} (X11; Linux)" {i / 7:.3f}'
        for i in range(count)
    )


LINE = re.compile(
    r'(?P<ip>\d+\.\d+\.\d+\.\d+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>[^ "]+) [^"]*" '
    r'(?P<status>\d{3}) (?P<size>\d+) "[^"]*" "(?P<agent>[^"]*)" (?P<seconds>[\d.]+)'
)
WORD = re.compile(r"\b[^\W\d_]+(?:['-][^\W\d_]+)*\b")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+", re.I)
TAG = re.compile(r"<(/?)(\w+)((?:\s+\w+=(?:\"[^\"]*\"|'[^']*'|\S+))*)\s*(/?)>")
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")


def analyse(text: str):
    by_status = collections.defaultdict(list)
    for line in text.splitlines():
        if found := LINE.match(line):
            by_status[found["status"]].append((found["user"], int(found["size"]), float(found["seconds"])))
    users = collections.Counter(user for rows in by_status.values() for user, *_ in rows)
    return users.most_common(3), {status: sum(size for _, size, _ in rows) for status, rows in by_status.items()}


def regular(text: str) -> int:
    total = len(WORD.findall(text)) + len(EMAIL.findall(text)) + len(NUMBER.findall(text))
    total += len(re.sub(r"(\w+) (\w+)", r"\2 \1", text)) + len(re.split(r"[.!?]\s+", text))
    total += sum(1 for _ in re.finditer(r"(?i)\b(the|and|über)\b", text))
    total += len(re.sub(r"[aeiou]", lambda found: found[0].upper(), text))
    page = "".join(f'<p class="c{i}" id=x{i}>{word}<br/></p>' for i, word in enumerate(text.split()[:800]))
    return total + len(TAG.findall(page)) + len(re.findall(r"(a|b)*c|x{1,3}y?|[^\s]{12,}", text))


def strings(text: str) -> int:
    words = text.split()
    total = 0
    for word in words:
        low = word.lower()
        if low.startswith(("s", "t")) or low.endswith("e."):
            total += low.count("e") + low.find("x")
        total += len(word.strip(".").replace("-", "_").title()) + word.isalpha() + word.isupper()
        total += len(f"{word!r:>12}") + len("%-10s|%5.1f" % (word, len(word))) + ord(word[0])
        total += len(word.encode("utf-8")) + (word in "quick brown") + len(word[1:-1]) + len(word[::-1])
    lines = textwrap.wrap(text, 72)
    total += len("\n".join(lines)) + len(textwrap.indent("\n".join(lines[:50]), "  ")) + len(textwrap.dedent("  a\n  b\n" * 20))
    total += len(unicodedata.normalize("NFD", text)) + len(text.casefold()) + len(text.swapcase()) + len(text.expandtabs())
    total += len(text.translate(str.maketrans("aeiou", "AEIOU", "xyz")))
    total += sum(len(line) for line in text.split("."))
    for encoding in ("utf-8", "utf-16", "latin-1", "cp1252", "ascii", "utf-8-sig"):
        total += len(text.encode(encoding, "replace").decode(encoding, "replace"))
    total += len(codecs.encode(text[:2000], "rot13"))
    return total


class Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.found += [value for name, value in attrs if name == "href"]

    def handle_data(self, data) -> None:
        self.found.append(data.strip())


def files(text: str) -> int:
    rows = [[word, str(i), f'say "{word}", twice', f"{i / 3:.2f}"] for i, word in enumerate(text.split()[:1500])]
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    buffer.seek(0)
    total = len(list(csv.reader(buffer)))
    buffer.seek(0)
    total += sum(len(row["b"]) for row in csv.DictReader(buffer, fieldnames=list("abcd")))
    config = configparser.ConfigParser()
    config.read_string("\n".join(f"[part{i}]\nkey = value {i}\nother: %(key)s more\n" for i in range(60)))
    total += sum(len(config[part]["other"]) for part in config.sections())
    settings = "\n".join(
        f'[table.t{i}]\nname = "n{i}"\nvalues = [{i}, {i}.5, true, "x"]\nwhen = 2026-01-0{1 + i % 9}T10:00:00Z\n'
        f"inline = {{ a = 1, b = 'two' }}\n"
        for i in range(60)
    )
    total += len(tomllib.loads(settings)["table"])
    links = Links()
    links.feed("".join(f'<div class="a"><a href="/x/{i}?a=1&amp;b=2">T{i} &lt;</a><!-- c --></div>' for i in range(300)))
    total += len(links.found)
    total += len(shlex.split("run --flag 'a b' \"c d\" e\\ f # no" * 3))
    total += len(fnmatch.filter([row[0] for row in rows], "*[ae]*"))
    source = 'def f(a, *b, c=1, **d):\n    """Doc."""\n    return {a: [x for x in b if x], "c": f"{c!r}"}\n' * 60
    total += sum(1 for _ in tokenize.generate_tokens(io.StringIO(source).readline))
    old = text[:3000].split(".")
    new = [line for i, line in enumerate(old) if i % 7] + ["An end"]
    return total + len(list(difflib.unified_diff(old, new)))


def main() -> None:
    text = prose(6000)
    print(analyse(logs(2500)), regular(text), strings(text), files(text))


if __name__ == "__main__":
    main()
