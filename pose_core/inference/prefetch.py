"""Take items from an iterator ahead of need, in another thread."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


def prefetched(source: Iterator[T], num_ahead: int) -> Generator[T, None, None]:
    """Items of `source` in order, up to `num_ahead` of them made while earlier ones are used.

    An exception of the source comes out here. Closing the generator ends the thread before it
    returns, so that what the source uses may be closed afterwards.
    """
    items: queue.Queue[Any] = queue.Queue(maxsize=num_ahead)
    stop = threading.Event()

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in source:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:  # noqa: BLE001 - handed over, not swallowed
            put(error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := items.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
