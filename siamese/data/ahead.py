"""Things made ahead of where they are used, so that a GPU need not wait: by processes of their own, or by a thread.

The processes are forked: they see what this one has in memory without a copy of it, and must not touch its GPU.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import torch
from torch import Tensor

DEPTH = 2  # things that the thread, or each process, makes before they are asked for
MOST = 16  # processes
SHARED_MEMORY = Path("/dev/shm")  # what processes hand over lies there; 64 MB in many containers
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
Made = Mapping[str, Tensor]
log = logging.getLogger(__name__)
_make: Callable[[int], Made] | None = None  # in a forked process: what it makes


def idle_cores() -> int:
    """Cores beside the one of this process, its like under torchrun get as many; 0 where processes cannot be forked."""
    if not _can_fork():
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(MOST, max(0, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) - 1))


def ahead(make: Callable[[int], Made], items: Sequence[int], processes: int = 0) -> Iterator[Made]:
    """Yield make(item) of each item, in order; closing it ends thread or processes.

    Args:
        processes: at most so many, and no more than shared memory has room for; 0: a thread. Where one is ended from
            outside, what is left is made here, in turn.
    """
    items = list(items)
    if processes and items:
        first = make(items.pop(0))
        yield first
        processes = min(processes, len(items), _room(first))
    if not processes:
        yield from _in_order(ThreadPoolExecutor(1), make, items, DEPTH)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _begin, (make,))
    done = 0
    try:
        for one in _in_order(pool, _called, items, DEPTH * processes):
            done += 1
            yield one
    except BrokenProcessPool:
        log.warning("A process that makes batches was ended from outside; they are made in turn from now on.")
        yield from map(make, items[done:])


def _in_order(
    pool: Executor, make: Callable[[int], Made], items: Sequence[int], depth: int
) -> Iterator[Made]:
    waiting = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _can_fork() -> bool:
    return "fork" in multiprocessing.get_all_start_methods() and SHARED_MEMORY.is_dir()


def _room(one: Made) -> int:
    """Processes that half of the free shared memory suffices for; 0 where none can be forked."""
    if not _can_fork():
        return 0
    size = sum(value.nbytes for value in one.values())
    return shutil.disk_usage(SHARED_MEMORY).free // 2 // max(1, (DEPTH + 1) * size)


def _begin(make: Callable[[int], Made]) -> None:
    """In a new process: one thread; Ctrl-C is the business of the process that asks, whose end is this one's too."""
    global _make
    _make = make
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def _called(item: int) -> Made:
    assert _make is not None
    return _make(item)
