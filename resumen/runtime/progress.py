"""Progress: a bar with rate and time left on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 10  # where there is no terminal, as under CI


def track(items: Iterable[Item], what: str, total: int | None = None, unit: str = "row") -> Iterator[Item]:
    """Yield `items`, showing how far, how fast and how long still; `total` may be unknown.

    `what` starts with the stage's name, such as "generate flan-small".
    """
    if sys.stderr.isatty() and logging.getLogger().isEnabledFor(logging.INFO):
        yield from tqdm(items, what, total, unit=f" {unit}", leave=False, dynamic_ncols=True)
        return
    stage, _, rest = what.partition(" ")
    log, start = logging.getLogger(stage), time.monotonic()
    last = start
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            log.info("%s", progress_line(rest, count, total, unit, now - start))


def progress_line(what: str, count: int, total: int | None, unit: str, seconds: float) -> str:
    """Return a line of progress; `unit` in the singular, `seconds` since the start.

    >>> progress_line("flan-small", 50, 200, "article", 10.0)
    'flan-small: 50/200, 5.0 article/s, 30 s left'
    >>> progress_line("train", 3000, None, "row", 20.0)
    'train: 3000, 150.0 row/s'
    """
    rate = count / seconds
    done = f"{what}: {count}{f'/{total}' if total else ''}, {rate:.1f} {unit}/s"
    return f"{done}, {(total - count) / rate:.0f} s left" if total else done
