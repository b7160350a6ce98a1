"""The garbage collector: graphs, trees and cycles of many kinds of object, that live and that die."""

import collections
import gc
import weakref


class Part:
    def __init__(self, name: str, whole: "Part | None" = None) -> None:
        self.name = name
        self.whole = whole
        self.parts: dict[str, Part] = {}
        if whole is not None:
            whole.parts[name] = self

    def count(self) -> int:
        return 1 + sum(part.count() for part in self.parts.values())


class Link:
    __slots__ = ("__weakref__", "after", "before", "content")

    def __init__(self, content: object) -> None:
        self.content = content
        self.before: Link | None = None
        self.after: Link | None = None


def ring(size: int) -> Link:
    first = last = Link(0)
    for number in range(1, size):
        link = Link((number, [number]))
        link.before, last.after = last, link
        last = link
    last.after, first.before = first, last
    return first


def machine(width: int, depth: int, whole: Part | None = None) -> Part:
    part = Part(f"part {depth}", whole)
    if depth:
        for _ in range(width):
            part.parts[f"{depth}.{len(part.parts)}"] = machine(width, depth - 1, part)
    return part


def network(size: int) -> dict[int, dict]:
    nodes = {number: {"number": number, "near": [], "far": set(), "at": (number % 31, number % 17)} for number in range(size)}
    for number, node in nodes.items():
        node["near"] = [nodes[(number * step + 1) % size] for step in (3, 5, 7, 11)]
        node["far"].update((number + step, step) for step in range(3))
    return nodes


def listeners(size: int) -> list:
    kept: list = []
    heard: collections.Counter = collections.Counter()
    for number in range(size):
        def heard_one(what: str, number: int = number) -> None:
            heard[what] += number

        kept.append(heard_one)
    for listener in kept:
        listener("x")
    return kept


def living() -> int:
    """Collect again and again with much that lives: what a service does that has been up for long."""
    kept = [network(4000), machine(5, 5), ring(8000), listeners(2000), [[n, [n], (n, [n])] for n in range(8000)]]
    found = sum(gc.collect(generation) for generation in (0, 1, 2, 2, 2, 2))
    return found + kept[1].count()


def dying() -> int:
    """Leave cycles behind that nothing but the collector can free."""
    dead: list[int] = []
    for number in range(60):
        net = network(150)
        weakref.finalize(ring(20), dead.append, number)
        net[0]["near"].append(machine(3, 3))
        del net
    gc.collect()
    return len(dead)


def main() -> None:
    print(living(), dying())


if __name__ == "__main__":
    main()
