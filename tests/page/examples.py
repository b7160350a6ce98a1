"""The examples on a page, as a person would type them: the files that they speak of, the commands, what these say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt


@dataclass
class Command:
    """What is typed after a prompt, and the lines that the page says it answers."""

    typed: str
    answer: list[str] = field(default_factory=list)


@dataclass
class Example:
    """A section with examples.

    Attributes:
        title: Its heading.
        files: The files that it shows, by name.
        commands: The commands that it shows.
    """

    title: str
    files: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)


def examples_of(readme: str) -> list[Example]:
    """Return the sections of a README that have blocks of code, in order; every block has to be something."""
    tokens = MarkdownIt("commonmark").parse(readme)
    found: list[Example] = []
    title, said = "", ""
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            title = tokens[at + 1].content
        elif token.type == "inline":
            said = token.content
        elif token.type == "fence":
            if not found or found[-1].title != title:
                found.append(Example(title))
            if token.info == "console":
                found[-1].commands += _commands(token.content)
            else:
                name = re.findall(r"`([^`]+)`", said.splitlines()[-1])
                assert said.endswith(":"), f"nothing says what this is: {token.content}"
                found[-1].files[name[-1]] = token.content
    return found


def _commands(text: str) -> list[Command]:
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:]))
        else:
            found[-1].answer.append(line)
    return found


def fits(answer: list[str], said: str) -> bool:
    """Tell whether a command said what the page says that it says; ``…`` stands for anything."""
    if not answer:
        return True
    pattern = "\n".join(".*".join(re.escape(part) for part in line.split("…")) for line in answer)
    return re.fullmatch(pattern, said.strip()) is not None
