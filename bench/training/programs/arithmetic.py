"""Arithmetic: integers of all sizes, floats, complex numbers, decimals, fractions, matrices, statistics, randomness."""

import array
import bisect
import cmath
import decimal
import fractions
import heapq
import itertools
import math
import operator
import random
import statistics
import struct


def sieve(limit: int) -> list[int]:
    flags = bytearray([1]) * limit
    flags[0:2] = b"\0\0"
    for number in range(2, math.isqrt(limit) + 1):
        if flags[number]:
            flags[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return list(itertools.compress(range(limit), flags))


def collatz(limit: int) -> int:
    known = {1: 1}
    for start in range(2, limit):
        number, steps = start, []
        while number not in known:
            steps.append(number)
            number = number // 2 if number % 2 == 0 else 3 * number + 1
        length = known[number]
        for step in reversed(steps):
            length += 1
            known[step] = length
    return max(known.values())


def multiply(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    columns = list(zip(*b, strict=True))
    return [[sum(map(operator.mul, row, column)) for column in columns] for row in a]


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    size = len(matrix)
    rows = [row[:] + [value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            for j in range(i, size + 1):
                rows[k][j] -= factor * rows[i][j]
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (rows[i][size] - sum(rows[i][j] * found[j] for j in range(i + 1, size))) / rows[i][i]
    return found


class Vector:
    __slots__ = ("x", "y", "z")

    def __init__(self, x: float, y: float, z: float) -> None:
        self.x, self.y, self.z = x, y, z

    def __add__(self, other: "Vector") -> "Vector":
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def __mul__(self, factor: float) -> "Vector":
        return Vector(self.x * factor, self.y * factor, self.z * factor)

    def dot(self, other: "Vector") -> float:
        return self.x * other.x + self.y * other.y + self.z * other.z

    def norm(self) -> float:
        return math.sqrt(self.dot(self))


def orbit(steps: int) -> float:
    place, speed = Vector(1.0, 0.0, 0.1), Vector(0.0, 0.9, 0.2)
    for _ in range(steps):
        distance = place.norm()
        speed = speed + place * (-0.01 / (distance * distance * distance))
        place = place + speed * 0.01
    return place.norm()


def escape(width: int) -> int:
    total = 0
    for row in range(width):
        for column in range(width):
            c = complex(3 * column / width - 2, 2 * row / width - 1)
            z = 0j
            for step in range(30):
                z = z * z + c
                if z.real * z.real + z.imag * z.imag > 4.0:
                    break
            total += step
    return total


def integrate(steps: int) -> float:
    width = math.pi / steps
    total = 0.0
    for i in range(steps):
        x = (i + 0.5) * width
        total += math.sin(x) * math.exp(-x) + x**0.5 / (1.0 + x) - abs(math.cos(x)) ** 3
    return total * width


def large(count: int) -> int:
    a, b = 0, 1
    for _ in range(count):
        a, b = b, a + b
    product = math.prod(range(1, 400))
    quotient, rest = divmod(product, a)
    return len(str(product)) + quotient.bit_length() + rest % 97 + pow(7, a % 1000, product) % 13 + math.gcd(a, product)


def wallet(count: int) -> str:
    with decimal.localcontext() as context:
        context.prec = 28
        rate = decimal.Decimal("0.0725")
        total = decimal.Decimal(0)
        for number in range(count):
            amount = decimal.Decimal(number * 37 % 10007) / 100
            tax = (amount * rate).quantize(decimal.Decimal("0.01"), rounding=decimal.ROUND_HALF_EVEN)
            total += amount + tax
        return f"{total:,.2f}"


def mixed(count: int) -> float:
    source = random.Random(7)
    values = [source.gauss(10, 3) for _ in range(count)]
    numbers = [source.randrange(1 << 20) for _ in range(count)]
    source.shuffle(numbers)
    heap: list[tuple[float, int]] = []
    for pair in zip(values, numbers, strict=True):
        heapq.heappush(heap, pair)
        if len(heap) > 100:
            heapq.heappop(heap)
    ordered = sorted(numbers)
    places = sum(bisect.bisect_left(ordered, number) for number in numbers[:2000])
    packed = b"".join(struct.pack("<IdhB", number, value, number % 100, 7) for value, number in zip(values, numbers, strict=True))
    back = sum(row[0] ^ row[2] for row in struct.iter_unpack("<IdhB", packed))
    columns = array.array("d", values)
    columns.extend(array.array("d", map(float, numbers)))
    bits = sum((number << 3 ^ number >> 2) & 0xFF | number.bit_count() for number in numbers)
    exact = sum((fractions.Fraction(number % 50, 1 + number % 7) for number in numbers[:1500]), fractions.Fraction(0))
    waves = sum(abs(cmath.exp(1j * value)) for value in values)
    formatted = sum(len(f"{value:.3f}{value!r}{value:e}") + len(hex(number)) for value, number in zip(values, numbers, strict=True))
    parsed = sum(float(f"{value:.6g}") + int(f"{number}") for value, number in zip(values, numbers, strict=True))
    return (
        statistics.fmean(values) + statistics.stdev(values[:500]) + statistics.median(values) + places + back + sum(columns)
        + bits + float(exact) + waves + formatted + parsed + round(values[0], 2) + max(values) + min(numbers) + math.fsum(values)
    )  # fmt: skip


def main() -> None:
    primes = sieve(200_000)
    size = 40
    a = [[math.sin(i * j + 1) for j in range(size)] for i in range(size)]
    b = [[float(i == j) + 0.01 * i for j in range(size)] for i in range(size)]
    print(len(primes), collatz(9000), multiply(a, b)[3][4], solve(b, [1.0] * size)[0], orbit(9000), escape(70))
    print(integrate(40_000), large(4000), wallet(12_000), mixed(5000))


if __name__ == "__main__":
    main()
