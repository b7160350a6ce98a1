"""How long THREADS threads take that allocate, each the same work, several times: seconds and peak memory as JSON.

The work is what a service does with requests: objects of many sizes, some large enough to be the C library's and not
the interpreter's own allocator's, and compression and digests, which let other threads run meanwhile.
"""

import hashlib
import json
import resource
import sys
import threading
import time
import zlib

RECORD = {
    "id": 17, "name": "a record", "tags": ["one", "two"], "nested": {str(number): number for number in range(40)},
}  # fmt: skip
SIZES = (600, 1500, 4000, 9000, 24000, 70000)


def work(count: int) -> None:
    """Allocate, for a while: what one thread does."""
    text = json.dumps([RECORD] * 20)
    kept: list[object] = []
    for number in range(count):
        kept.append(json.loads(text))
        kept.extend(bytearray(size) for size in SIZES)
        packed = zlib.compress(text.encode(), 1)
        kept.append(hashlib.sha256(packed * 8).digest())
        kept.append([str(each) * 3 for each in range(300)])
        if number % 8 == 7:
            del kept[:-20]


def timed(threads: int, count: int) -> float:
    """Return the seconds that all threads together take."""
    started = [threading.Thread(target=work, args=(count,)) for _ in range(threads)]
    begun = time.perf_counter()
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return time.perf_counter() - begun


if __name__ == "__main__":
    threads, count, times = map(int, sys.argv[1:])
    timed(threads, max(1, count // 10))
    values = [timed(threads, count) for _ in range(times)]
    json.dump({"values": values, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, sys.stdout)
