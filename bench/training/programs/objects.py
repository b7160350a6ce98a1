"""Objects: classes, closures, generators, containers, exceptions, pattern matching, copies, serialisation, collection."""

import abc
import collections
import contextlib
import copy
import functools
import gc
import itertools
import json
import operator
import pickle
import pprint
import types
import typing
import weakref


class Shape(abc.ABC):
    registry: typing.ClassVar[dict[str, type]] = {}

    def __init_subclass__(cls) -> None:
        Shape.registry[cls.__name__] = cls

    @abc.abstractmethod
    def area(self) -> float: ...

    def __lt__(self, other: "Shape") -> bool:
        return self.area() < other.area()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class Square(Shape):
    def __init__(self, side: float) -> None:
        self.side = side

    def area(self) -> float:
        return self.side**2


class Rectangle(Square):
    def __init__(self, side: float, other: float) -> None:
        super().__init__(side)
        self.other = other

    def area(self) -> float:
        return self.side * self.other


class Point(typing.NamedTuple):
    x: int
    y: int

    def moved(self, dx: int, dy: int) -> "Point":
        return self._replace(x=self.x + dx, y=self.y + dy)


class Node:
    __slots__ = ("children", "name", "parent", "__weakref__")

    def __init__(self, name: str, parent: "Node | None" = None) -> None:
        self.name = name
        self.children: list[Node] = []
        self.parent = parent
        if parent is not None:
            parent.children.append(self)

    def walk(self) -> collections.abc.Iterator["Node"]:
        yield self
        for child in self.children:
            yield from child.walk()


class Events:
    def __init__(self) -> None:
        self._listeners: dict[str, list[typing.Callable]] = collections.defaultdict(list)

    def on(self, name: str):
        def register(function):
            self._listeners[name].append(function)
            return function

        return register

    def emit(self, name: str, *values, **more) -> list:
        return [listener(*values, **more) for listener in self._listeners.get(name, ())]


class Interpreter:
    """A little machine, its instructions told apart by matching."""

    def __init__(self) -> None:
        self.stack: list = []
        self.names: dict[str, object] = {}

    def run(self, program: list) -> object:
        at = 0
        while at < len(program):
            match program[at]:
                case ("push", value):
                    self.stack.append(value)
                case ("add" | "mul" | "sub" as what,):
                    right, left = self.stack.pop(), self.stack.pop()
                    self.stack.append({"add": left + right, "mul": left * right, "sub": left - right}[what])
                case ("store", str(name)):
                    self.names[name] = self.stack.pop()
                case ("load", str(name)):
                    self.stack.append(self.names[name])
                case ("jump-if", int(target)) if self.stack.pop():
                    at = target
                    continue
                case ("jump-if", _):
                    pass
                case {"call": function, "with": [*values]}:
                    self.stack.append(function(*values))
                case Point(x=0, y=y):
                    self.stack.append(y)
                case other:
                    raise ValueError(other)
            at += 1
        return self.stack[-1] if self.stack else None


def cached(function):
    known: dict = {}

    @functools.wraps(function)
    def wrapped(*given):
        try:
            return known[given]
        except KeyError:
            known[given] = found = function(*given)
            return found

    return wrapped


@cached
def paths(width: int, height: int) -> int:
    return 1 if width == 0 or height == 0 else paths(width - 1, height) + paths(width, height - 1)


def permute(items: list) -> collections.abc.Iterator[list]:
    if len(items) <= 1:
        yield items
        return
    for i, item in enumerate(items):
        for rest in permute(items[:i] + items[i + 1 :]):
            yield [item, *rest]


@contextlib.contextmanager
def changed(target: dict, **values):
    old = {name: target.get(name) for name in values}
    target.update(values)
    try:
        yield target
    finally:
        target.update(old)


def distances(size: int) -> int:
    """Shortest ways in a grid with walls, breadth first."""
    walls = {(x, y) for x in range(size) for y in range(size) if (x * 7 + y * 13) % 5 == 0 and (x, y) != (0, 0)}
    seen, queue = {(0, 0): 0}, collections.deque([(0, 0)])
    while queue:
        x, y = queue.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            place = (x + dx, y + dy)
            if 0 <= place[0] < size and 0 <= place[1] < size and place not in walls and place not in seen:
                seen[place] = seen[x, y] + 1
                queue.append(place)
    return max(seen.values())


def containers(count: int) -> int:
    records = [{"id": i, "group": f"g{i % 17}", "value": i * 3 % 101, "parts": [i, i + 1]} for i in range(count)]
    groups: dict[str, list[dict]] = {}
    for record in records:
        groups.setdefault(record["group"], []).append(record)
    sums = {name: sum(record["value"] for record in rows) for name, rows in groups.items()}
    ordered = sorted(records, key=operator.itemgetter("group", "value"), reverse=True)
    runs = [(key, len(list(rows))) for key, rows in itertools.groupby(ordered, key=lambda record: record["group"])]
    odd = {record["id"] for record in records if record["value"] & 1}
    small = {record["id"] for record in records if record["value"] < 50}
    flat = [part for record in records for part in record["parts"] if part % 3]
    pairs = list(zip(flat, flat[1:], strict=False))
    window = collections.deque(maxlen=16)
    total = 0
    for first, *_, last in ([a, b, a + b] for a, b in pairs):
        window.append(first - last)
        total += window[0] + window[-1]
    merged = collections.ChainMap({"a": 1}, sums)
    counts = collections.Counter(flat)
    counts.update(counts.elements())
    ordered_names = collections.OrderedDict.fromkeys(f"n{i % 40}" for i in range(count))
    ordered_names.move_to_end("n3")
    swapped = {value: name for name, value in sums.items()}
    del records[::3]
    records.insert(0, {})
    records[5:9] = []
    records.reverse()
    slices = tuple(flat)[2:-2:3]
    return (
        total + len(runs) + len(odd & small) + len(odd | small) + len(odd ^ small) + len(odd - small) + merged["g1"]
        + len(counts) + len(ordered_names) + len(swapped) + len(records) + len(slices) + any(slices) + all(slices)
        + flat.index(flat[-1]) + flat.count(4) + max(sums.values()) + len({**sums, **{"x": 1}})
    )  # fmt: skip


def failures(count: int) -> int:
    total = 0
    for i in range(count):
        try:
            if i % 3 == 0:
                raise KeyError(i)
            if i % 3 == 1:
                [][i]
            int("x")
        except KeyError as fault:
            total += fault.args[0]
        except (IndexError, ValueError) as fault:
            try:
                raise RuntimeError("again") from fault
            except RuntimeError as second:
                total += second.__cause__ is fault
        finally:
            total += 1
    with contextlib.suppress(ZeroDivisionError):
        total //= 0
    try:
        raise ExceptionGroup("several", [ValueError(1), TypeError(2)])
    except* ValueError:
        total += 1
    except* TypeError:
        total += 2
    return total


def trees(count: int) -> int:
    root = Node("root")
    nodes = [root]
    for i in range(count):
        nodes.append(Node(f"n{i}", nodes[i // 3]))
    seen = weakref.WeakValueDictionary({node.name: node for node in nodes})
    total = sum(len(node.name) for node in root.walk()) + len(seen)
    del nodes, root
    gc.collect()
    return total


def serial(count: int) -> int:
    content = {
        "rows": [
            {"id": i, "name": f"näme {i}", "price": i / 7, "flags": [True, None, i % 2 == 0], "nested": {"deep": {"er": [i] * 3}}}
            for i in range(count)
        ],
        "points": [Point(i, -i) for i in range(count)],
    }
    total = 0
    for _ in range(3):
        total += len(json.loads(json.dumps(content))["rows"])
        total += len(json.dumps(content, indent=2, sort_keys=True))
        for protocol in (2, 4, 5):
            total += len(pickle.loads(pickle.dumps(content, protocol))["points"])
        total += len(copy.deepcopy(content)["rows"]) + len(copy.copy(content))
    shapes = pickle.loads(pickle.dumps([Rectangle(i, i + 1) for i in range(count)]))
    return total + int(sum(shape.area() for shape in shapes)) + len(pprint.pformat(content["rows"][:40]))


def main() -> None:
    shapes = [Shape.registry["Square" if i % 2 else "Rectangle"](*([i] if i % 2 else [i, 2])) for i in range(3000)]
    events = Events()

    @events.on("sum")
    def add(a, b=1, *rest, scale=2, **more):
        return (a + b + sum(rest)) * scale

    total = sum(sum(events.emit("sum", i, 2, 3, scale=i % 3)) for i in range(3000))
    program = [("push", 3000), ("store", "n"), ("load", "n"), ("push", 1), ("sub",), ("store", "n"), Point(0, 3), {"call": max, "with": [1, 2]},
               ("add",), ("load", "n"), ("jump-if", 2)]  # fmt: skip
    settings = {"debug": False}
    for i in range(2000):
        with changed(settings, debug=True, level=i):
            total += settings["level"]
    partial = functools.partial(operator.add, 5)
    points = [Point(i, i % 5).moved(1, 2) for i in range(3000)]
    total += sum(p.x * p.y for p in points) + sum(map(partial, range(2000))) + functools.reduce(operator.xor, range(3000))
    view = types.MappingProxyType(settings)
    print(sorted(shapes)[0], len(str(shapes)), total, Interpreter().run(program), paths(14, 14), len(view))
    print(sum(1 for _ in permute(list(range(6)))), distances(70), containers(4000), failures(6000), trees(6000), serial(250))


if __name__ == "__main__":
    main()
