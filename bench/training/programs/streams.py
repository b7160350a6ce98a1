"""Generators and coroutines of all kinds, driven by hand and by an event loop: pipelines, trees, senders, channels."""

import asyncio
import collections
import contextlib
import itertools
import types


def words(lines):
    for line in lines:
        yield from line.split()


def windows(items, size):
    window = collections.deque(maxlen=size)
    for item in items:
        window.append(item)
        if len(window) == size:
            yield tuple(window)


def average():
    total, count, mean = 0.0, 0, None
    while True:
        value = yield mean
        if value is None:
            return mean
        total += value
        count += 1
        mean = total / count


def outer():
    return (yield from average())


def flatten(content):
    for item in content:
        if isinstance(item, list):
            yield from flatten(item)
        else:
            yield item


def nested(depth):
    return [nested(depth - 1), depth, nested(depth - 1)] if depth else [0]


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


class Ticks:
    """An asynchronous iterator that is no generator."""

    def __init__(self, count):
        self.count = count

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.count:
            raise StopAsyncIteration
        self.count -= 1
        return self.count


class Soon:
    def __await__(self):
        return (yield "soon")


@types.coroutine
def pause():
    yield


async def ackermann(m, n):
    if m == 0:
        return n + 1
    return await ackermann(m - 1, 1 if n == 0 else await ackermann(m, n - 1))


async def visit(content):
    for item in content:
        if isinstance(item, list):
            async for each in visit(item):
                yield each
        else:
            yield item


async def squares(numbers):
    async for number in numbers:
        yield number * number


@contextlib.asynccontextmanager
async def opened(log):
    log.append("in")
    try:
        yield log
    finally:
        log.append("out")


async def hops(count):
    total = 0
    for _ in range(count):
        total += await Soon()
        await pause()
    return total


async def gathered(depth, width):
    if depth == 0:
        await asyncio.sleep(0)
        return 1
    return sum(await asyncio.gather(*(gathered(depth - 1, width) for _ in range(width))))


async def grouped(depth, width):
    if depth == 0:
        return 1
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(grouped(depth - 1, width)) for _ in range(width)]
    return sum(task.result() for task in tasks)


async def produce(channel, count):
    for number in range(count):
        await channel.put(number)
    await channel.put(None)


async def consume(channel):
    total = 0
    while (item := await channel.get()) is not None:
        total += item
    return total


async def looped():
    channel = asyncio.Queue(8)
    _, total = await asyncio.gather(produce(channel, 2500), consume(channel))
    log = []
    lock, event = asyncio.Lock(), asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await event.wait()
    for _ in range(300):
        async with lock, opened(log):
            total += sum([number async for number in squares(Ticks(6))])
    return total + await gathered(4, 6) + await grouped(3, 7) + await ackermann(2, 4) + len(log)


def driven(coroutine):
    """Run a coroutine without an event loop."""
    sent = None
    try:
        while True:
            sent = 1 if coroutine.send(sent) == "soon" else None
    except StopIteration as end:
        return end.value


async def listed(content):
    return sum([item async for item in visit(content)])


def main():
    text = ["the quick brown fox jumps over the lazy dog"] * 400
    total = sum(len(a) + len(b) for a, b, _ in windows(words(text), 3))
    for _ in range(150):
        mean = outer()
        next(mean)
        for value in range(60):
            mean.send(value)
        mean.close()
    total += sum(flatten(nested(11))) + sum(Countdown(9000)) + sum(x * y for x in range(120) for y in range(x) if (x + y) % 3)
    evens = (number for number in itertools.count() if number % 2 == 0)
    total += sum(itertools.islice((a * b for a, b in zip(evens, range(9000))), 8000))
    total += driven(hops(4000)) + driven(ackermann(2, 60)) + driven(listed(nested(9)))
    print(total, asyncio.run(looped()))


if __name__ == "__main__":
    main()
