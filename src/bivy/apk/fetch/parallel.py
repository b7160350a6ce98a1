"""Several things done side by side, whose results and messages come in order all the same."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias, TypeVar

    _Result = TypeVar("_Result")
    Say: TypeAlias = Callable[[str], None]


def side_by_side(tasks: Sequence[Callable[[Say], _Result]], say: Say, workers: int) -> Iterator[_Result]:
    """Do tasks, some at a time, and yield their results in the order of the tasks.

    A fault of a task is raised when it is its turn; what comes after it is then not begun any more. Messages too come
    as if one was done after the other, the first ones at once.

    Args:
        tasks: What to do; each is given where its messages go.
        say: Takes the messages, in this thread.
        workers: How many are done at a time, and how many results may wait to be taken; with one, in this thread.
    """
    if workers < 2 or len(tasks) < 2:
        for task in tasks:
            yield task(say)
        return
    yield from _threaded(tasks, say, min(workers, len(tasks)))


def _threaded(tasks: Sequence[Callable[[Say], _Result]], say: Say, workers: int) -> Iterator[_Result]:
    import threading
    from queue import SimpleQueue

    # A message is a text; the last item is the outcome: a result in a list, or a fault.
    queues: list[SimpleQueue[str | list[_Result] | BaseException]] = [SimpleQueue() for _ in tasks]
    numbers = iter(range(len(tasks)))
    lock, room = threading.Lock(), threading.Semaphore(workers)
    stopped = False

    def work() -> None:
        while True:
            room.acquire()
            with lock:
                number = None if stopped else next(numbers, None)
            if number is None:
                return
            queue = queues[number]
            try:
                queue.put([tasks[number](queue.put)])
            except BaseException as fault:  # noqa: BLE001 # it is raised where the result is taken
                queue.put(fault)

    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    try:
        for queue in queues:
            while isinstance(item := queue.get(), str):
                say(item)
            if isinstance(item, BaseException):
                raise item
            room.release()
            yield item[0]
    finally:
        stopped = True
        room.release(workers)
