"""Many things at once: coroutines, tasks, streams over loopback, threads and queues, subprocesses."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import queue
import selectors
import socket
import ssl
import subprocess
import sys
import threading

request = contextvars.ContextVar("request", default=0)


class Resource:
    def __init__(self, limit: asyncio.Semaphore) -> None:
        self.limit = limit

    async def __aenter__(self) -> "Resource":
        await self.limit.acquire()
        return self

    async def __aexit__(self, *fault) -> None:
        self.limit.release()


async def numbers(count: int):
    for i in range(count):
        if i % 50 == 0:
            await asyncio.sleep(0)
        yield i


async def deep(depth: int) -> int:
    return depth if depth == 0 else 1 + await deep(depth - 1)


async def work(number: int, limit: asyncio.Semaphore, channel: asyncio.Queue) -> None:
    request.set(number)
    async with Resource(limit):
        await asyncio.sleep(0)
        total = sum([value async for value in numbers(40)]) + await deep(12)
        await channel.put(total + request.get())


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while line := await reader.readline():
            length = int(line)
            body = await reader.readexactly(length)
            writer.write(b"%d\n%s" % (length, body[::-1]))
            await writer.drain()
    writer.close()


async def client(port: int, count: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    total = 0
    for i in range(count):
        body = b"x%d" % i * (1 + i % 40)
        writer.write(b"%d\n%s" % (len(body), body))
        answer = await asyncio.wait_for(reader.readline(), 5)
        total += len(await reader.readexactly(int(answer)))
    writer.close()
    await writer.wait_closed()
    return total


async def everything() -> int:
    limit, channel = asyncio.Semaphore(20), asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        for number in range(400):
            group.create_task(work(number, limit, channel))
    total = 0
    while not channel.empty():
        total += channel.get_nowait()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        total += sum(await asyncio.gather(*(client(port, 120) for _ in range(8))))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
    loop = asyncio.get_running_loop()
    return total + await loop.run_in_executor(None, sum, range(1000))


def pipeline(count: int) -> int:
    todo: queue.Queue = queue.Queue(maxsize=50)
    done: list[int] = []
    lock = threading.Lock()

    def worker() -> None:
        while (item := todo.get()) is not None:
            text = f"{item:x}" * 3
            with lock:
                done.append(len(text) + int(text, 16) % 7)

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for item in [*range(count), *[None] * len(threads)]:
        todo.put(item)
    for thread in threads:
        thread.join()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return sum(done) + sum(pool.map(len, (str(i) * 5 for i in range(1500))))


def sockets(count: int) -> int:
    left, right = socket.socketpair()
    with left, right, selectors.DefaultSelector() as selector:
        selector.register(right, selectors.EVENT_READ)
        total = 0
        for i in range(count):
            left.sendall(b"%d" % i)
            for key, _ in selector.select(1):
                total += len(key.fileobj.recv(1000))
    return total + len(ssl.create_default_context().get_ciphers())


def main() -> None:
    print(asyncio.run(everything()), pipeline(6000), sockets(3000))
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "import json, logging, argparse; print(json.dumps([1]))"], check=True)


if __name__ == "__main__":
    main()
