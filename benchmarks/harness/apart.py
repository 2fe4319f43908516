"""Competitors in turn, each in a process of its own, and the table of their medians."""

import logging
import resource
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from multiprocessing import get_context
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from benchmarks.harness.workload import EOS, NUM_TOKENS
from resumen.model.prepare import prepare_torch

Speed = Callable[[], float]  # runs once; returns articles a second
Run = Callable[[], tuple[float, Any]]  # the same, and what else there is to say
Writer = Callable[[list[list[int]], int, int], list[list[int]]]  # articles, beams, tokens -> summaries

FORKED = get_context("forkserver")  # from one process that has done the imports and nothing else
FORKED.set_forkserver_preload(["benchmarks.harness.ours", "benchmarks.harness.peers"])


class Apart:
    """A competitor in a process of its own; a call starts it, and `close` ends it.

    `said` is what its first run said, `peak` its memory so far, in GB: resident, or allocated on a GPU.
    Unless `lasting` it ends with each run: all of those who fine-tune together take over 20 GB. `once`: it
    runs in the first round alone.
    """

    def __init__(
        self, make: Callable[[], Run], ours: bool, lasting: bool = False, once: bool = False
    ) -> None:
        self.make, self.ours, self.lasting, self.once = make, ours, lasting, once
        self.pool: ProcessPoolExecutor | None = None
        self.said: Any = None
        self.peak = 0.0

    def __call__(self) -> float:
        if self.pool is None:
            self.pool = ProcessPoolExecutor(1, FORKED, begin, (self.make, self.ours))
        articles_a_second, message, self.peak = self.pool.submit(run_once).result()
        self.said = message if self.said is None else self.said
        if not self.lasting:
            self.close()
        return articles_a_second

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None


competitor: Run  # of this process


def begin(make: Callable[[], Run], ours: bool) -> None:
    """Prepare this process for its competitor."""
    global competitor
    if ours:
        prepare_torch(seed=7)
    be_quiet()
    competitor = make()


def run_once() -> tuple[float, Any, float]:
    output = competitor()
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return *output, torch.cuda.max_memory_allocated() / 1e9
    return *output, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def be_quiet() -> None:
    logging.getLogger("finetune").setLevel(logging.WARNING)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def writes(
    make: Callable[[], Writer], articles: list[list[int]], num_beams: int, num_tokens: int = NUM_TOKENS
) -> Run:
    """Return what writes `num_tokens` tokens for each article; it says which."""
    write = make()
    write(articles, num_beams, 2)  # warms up

    def run() -> tuple[float, list[list[int]]]:
        start = time.perf_counter()
        output = write(articles, num_beams, num_tokens)
        seconds = time.perf_counter() - start
        check_lengths(output, num_tokens)
        return len(output) / seconds, output

    return run


def check_lengths(output: list[list[int]], num_tokens: int) -> None:
    """End unless all summaries are as long as they are to be."""
    if short := sum(len(row) < num_tokens or EOS in row[:num_tokens] for row in output):
        sys.exit(f"{short} of {len(output)} summaries are short: this is no comparison")


def rates_of(who: Mapping[str, Apart], rounds: int) -> dict[str, list[float]]:
    """Return the articles a second of each of `who`, and end all of them."""
    with ExitStack() as ends:
        for competitor in who.values():
            ends.enter_context(closing(competitor))
        return in_turn(who, rounds, {name for name, competitor in who.items() if competitor.once})


def in_turn(who: Mapping[str, Speed], rounds: int, once: Collection[str] = ()) -> dict[str, list[float]]:
    """Return the articles a second of each of `who`, who run in turn, `rounds` times, another one first.

    Those of `once` run in the first round alone.
    """
    rates: dict[str, list[float]] = {name: [] for name in who}
    names = list(who)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if number == 0 or name not in once:
                rates[name].append(who[name]())
    return rates


def table(work: str, rates: Mapping[str, list[float]], peaks: Mapping[str, float]) -> Iterator[str]:
    """Yield a table of medians, and of their ratios to "ours"; least and most are of the rounds."""
    yield f"| {work} | articles/s | ours is | least to most | peak, GB |"
    yield "|---|---:|---:|---|---:|"
    for name, values in rates.items():
        median, ours = statistics.median(values), rates["ours"][: len(values)]
        ratios = [own / other for own, other in zip(ours, values, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if len(values) > 1 else "one round"
        cells = ["", ""] if name == "ours" else [f"{statistics.median(ours) / median:.2f} ×", spread]
        yield f"| {name} | {median:.2f} | {' | '.join(cells)} | {peaks[name]:.2f} |"
