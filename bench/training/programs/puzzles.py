"""Puzzles: searching with sets, bits, tuples, heaps and recursion; games, words, routes, timetables."""

import functools
import heapq
import itertools
import random
import string


def sudoku(text: str) -> str:
    """Solve by elimination and trial, with sets of candidates."""
    cells = range(81)
    units = [
        [cell for cell in cells if same(cell) == number]
        for same in (lambda c: c // 9, lambda c: c % 9, lambda c: c // 27 * 3 + c % 9 // 3) for number in range(9)
    ]  # fmt: skip
    peers = {cell: frozenset().union(*(unit for unit in units if cell in unit)) - {cell} for cell in cells}

    def settle(open_to: dict[int, set[str]], cell: int, digit: str) -> bool:
        todo = [(cell, digit)]
        while todo:
            cell, digit = todo.pop()
            open_to[cell] = {digit}
            for peer in peers[cell]:
                if digit in open_to[peer]:
                    open_to[peer] = open_to[peer] - {digit}
                    if not open_to[peer]:
                        return False
                    if len(open_to[peer]) == 1:
                        todo.append((peer, min(open_to[peer])))
        return True

    def search(open_to: dict[int, set[str]]) -> dict[int, set[str]] | None:
        undecided = [cell for cell in cells if len(open_to[cell]) > 1]
        if not undecided:
            return open_to
        cell = min(undecided, key=lambda c: len(open_to[c]))
        for digit in sorted(open_to[cell]):
            copied = {c: set(found) for c, found in open_to.items()}
            if settle(copied, cell, digit) and (found := search(copied)):
                return found
        return None

    start = {cell: set("123456789") for cell in cells}
    for cell, digit in enumerate(text):
        if digit != ".":
            settle(start, cell, digit)
    found = search(start)
    return "".join(min(found[cell]) for cell in cells) if found else ""


def tilings(width: int, height: int) -> int:
    """In how many ways dominoes cover a board: by sets of free squares."""

    @functools.cache
    def ways(free: frozenset) -> int:
        if not free:
            return 1
        x, y = min(free)
        return sum(ways(free - pair) for other in ((x + 1, y), (x, y + 1)) if (pair := frozenset({(x, y), other})) <= free)

    return ways(frozenset(itertools.product(range(width), range(height))))


def knights(size: int) -> int:
    """A knight's tour by Warnsdorff's rule."""
    steps = [(a * s, b * t) for a, b in ((1, 2), (2, 1)) for s in (1, -1) for t in (1, -1)]
    at, seen = (0, 0), {(0, 0)}

    def free(place):
        return [(place[0] + dx, place[1] + dy) for dx, dy in steps if 0 <= place[0] + dx < size and 0 <= place[1] + dy < size and (place[0] + dx, place[1] + dy) not in seen]

    while onward := free(at):
        at = min(onward, key=lambda place: len(free(place)))
        seen.add(at)
    return len(seen)


def life(size: int, generations: int) -> int:
    source = random.Random(3)
    alive = {(x, y) for x in range(size) for y in range(size) if source.random() < 0.3}
    for _ in range(generations):
        counts: dict[tuple[int, int], int] = {}
        for x, y in alive:
            for dx, dy in itertools.product((-1, 0, 1), repeat=2):
                if dx or dy:
                    place = x + dx, y + dy
                    counts[place] = counts.get(place, 0) + 1
        alive = {place for place, count in counts.items() if count == 3 or (count == 2 and place in alive)}
    return len(alive)


def routes(size: int) -> int:
    source = random.Random(5)
    roads = {n: [(source.randrange(size), source.randrange(1, 100)) for _ in range(5)] for n in range(size)}
    best, queue = {0: 0}, [(0, 0)]
    while queue:
        length, place = heapq.heappop(queue)
        if length > best[place]:
            continue
        for onward, road in roads[place]:
            if length + road < best.get(onward, 1 << 30):
                best[onward] = length + road
                heapq.heappush(queue, (length + road, onward))
    return sum(best.values())


def coverings(count: int) -> int:
    """How many choices of masks cover all bits just once."""
    source = random.Random(11)
    masks = sorted({sum(1 << source.randrange(16) for _ in range(3)) & 0xFFFF for _ in range(count)})

    def search(covered: int, start: int) -> int:
        if covered == 0xFFFF:
            return 1
        lowest = ~covered & (covered + 1)
        return sum(search(covered | mask, i + 1) for i, mask in enumerate(masks[start:], start) if mask & lowest and not mask & covered)

    return search(0, 0)


def hanoi(disks: int) -> int:
    pegs = [list(range(disks, 0, -1)), [], []]

    def move(count: int, source: int, target: int) -> int:
        if not count:
            return 0
        other = 3 - source - target
        moved = move(count - 1, source, other)
        pegs[target].append(pegs[source].pop())
        return moved + 1 + move(count - 1, other, target)

    return move(disks, 0, 2)


def spelling(count: int) -> int:
    """Which words are one letter away from which."""
    source = random.Random(13)
    known = {"".join(source.choices("aeinrst", k=4)) for _ in range(count)}
    total = 0
    for word in known:
        near = {word[:i] + letter + word[i + 1 :] for i in range(4) for letter in string.ascii_lowercase} & known
        total += len(near - {word}) + (word[::-1] in known) + near.isdisjoint({"zzzz"})
    return total


def timetable(count: int) -> int:
    source = random.Random(17)
    taken = {f"course {n}": frozenset(source.sample(range(200), 12)) for n in range(count)}
    clashes = {a: {b for b in taken if a != b and taken[a] & taken[b]} for a in taken}
    hours: dict[str, int] = {}
    for course in sorted(taken, key=lambda name: (-len(clashes[name]), name)):
        used = {hours[other] for other in clashes[course] if other in hours}
        hours[course] = next(hour for hour in itertools.count() if hour not in used)
    return max(hours.values()) + sum(a.issubset(b) or a.union(b) == b for a, b in itertools.combinations(taken.values(), 2))


def main() -> None:
    hard = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
    print(sudoku(hard), tilings(6, 6), knights(20), life(40, 25), routes(3000), coverings(160), hanoi(12), spelling(1500), timetable(120))


if __name__ == "__main__":
    main()
