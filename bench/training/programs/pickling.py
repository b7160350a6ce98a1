"""Objects that travel: pickles of many shapes, both ways, in C and in Python, deep copies, marshal."""

import copy
import copyreg
import dataclasses
import datetime
import enum
import io
import marshal
import pickle
import uuid


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


@dataclasses.dataclass
class Order:
    number: int
    when: datetime.datetime
    lines: list[tuple[str, int, float]]
    colour: Colour = Colour.RED
    notes: dict[str, str] = dataclasses.field(default_factory=dict)


class Session:
    def __init__(self, user: str) -> None:
        self.user = user
        self.token = uuid.UUID(int=len(user) << 64)
        self.seen = {f"page {i}" for i in range(12)}

    def __getstate__(self) -> dict:
        return {"user": self.user, "seen": sorted(self.seen)}

    def __setstate__(self, state: dict) -> None:
        self.user, self.seen = state["user"], set(state["seen"])


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


copyreg.pickle(Celsius, lambda value: (Celsius, (value.degrees,)))


def orders(count: int) -> list[Order]:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return [
        Order(n, start + datetime.timedelta(hours=n), [(f"article {n % 40}", n % 9, n / 3), ("postage", 1, 4.9)], notes={"to": f"street {n}"})
        for n in range(count)
    ]


def rows(count: int) -> list[dict]:
    return [
        {"id": n, "name": f"name {n}", "mail": f"n{n}@host", "born": 1950 + n % 60, "score": n * 0.25, "admin": n % 9 == 0, "groups": ["a", "b"][: n % 3],
         "big": 1 << (n % 80), "photo": b"\x89PNG" + bytes(n % 30), "parent": None, "place": (n % 90, -n % 180)}
        for n in range(count)
    ]  # fmt: skip


def both_ways(content: object, times: int) -> int:
    total = 0
    for _ in range(times):
        for protocol in (3, 4, 5):
            text = pickle.dumps(content, protocol)
            total += len(text)
            pickle.loads(text)
    return total


def main() -> None:
    total = both_ways(rows(120), 12)
    for row in rows(40):
        total += both_ways(row, 6)
    total += both_ways(orders(60), 6) + both_ways([Session(f"user {n}") for n in range(40)], 6) + both_ways([Celsius(n) for n in range(60)], 6)
    total += both_ways([[[n] * 8, list(range(n % 25))] for n in range(40)], 25) + both_ways(list(range(-40, 900, 7)), 25)
    total += both_ways({f"key {n}": {n: str(n), "more": {}} for n in range(60)}, 25) + both_ways([n / 7 for n in range(200)], 25)
    total += both_ways(tuple((n, f"n{n}") for n in range(100)), 25) + both_ways(["text " * (n % 60) for n in range(100)], 25)
    for row in orders(15):
        total += len(pickle._dumps(row)) + len(pickle._loads(pickle._dumps(row)).lines)
    out = io.BytesIO()
    pickler = pickle.Pickler(out, 5)
    for row in rows(60):
        pickler.dump(row)
    reader = pickle.Unpickler(io.BytesIO(out.getvalue()))
    total += sum(len(reader.load()) for _ in range(60))
    buffers: list[pickle.PickleBuffer] = []
    text = pickle.dumps([pickle.PickleBuffer(bytearray(3000)) for _ in range(5)], 5, buffer_callback=buffers.append)
    total += len(pickle.loads(text, buffers=buffers)) + len(marshal.loads(marshal.dumps(rows(40)[0])))
    total += sum(len(copy.deepcopy(each)) for each in (rows(30), orders(20))) + len(copy.copy(rows(3)))
    print(total)


if __name__ == "__main__":
    main()
