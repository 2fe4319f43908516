"""How long fine-tuning and generation of the profile `course` take here: measured in part, extrapolated.

    python -m benchmarks.course           some ten minutes on two cores
    python -m benchmarks.course --write   into benchmarks/RESULTS.md

1,500 articles for four epochs, of which a tenth is taken; a validation on 500 before the first and after
each: summaries, loss, ROUGE; a checkpoint after each epoch and, in a longer one, every five minutes; five
checkpoints of true shape and the fine-tuned one on 200 articles; ROUGE of the six. The weights are random, so
every summary has all its 96 tokens; genuine ones are half as long. Left out are the other prompts of two
checkpoints, the probes, the downloads and the stages of seconds. The error is half of the 95 % interval, by
Student's t, of each part's pieces in this run, added up in quadrature; from run to run the machine itself
differs by more.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import torch
from scipy import stats

from benchmarks.speed import (
    FINETUNE,
    NUM_WARMING,
    Ours,
    be_quiet,
    check_lengths,
    check_parts,
    finetune_ours,
    hardware,
    say,
    write_results,
)
from benchmarks.workload import SHAPES, made_up, rows
from stages.finetune import Validation
from stages.shared.cli import parser, run
from stages.shared.device import choose_dtype, prepare_torch
from stages.shared.files import digest, flush
from stages.shared.rouge import SpanishRouge
from stages.shared.spelling import load_tokenizer
from stages.shared.t5 import load_t5
from stages.shared.training import TokenizedRows, seconds_between

ARTICLES, EPOCHS, VALIDATION, TEST = 1_500, 4, 500, 200  # of `course`
SHARE = 10  # of the fine-tuning, one in so many is taken
NUM_TOKENS = 96  # of each summary
PIECES = 3  # of every other part
BATCH = 64  # articles: `generate.batch_size`, and eight times that of fine-tuning
CHECKPOINT = 4 * 4 * 77_000_000  # bytes: weights, Adam's two moments, the best model

Part = tuple[str, float, float]  # what, its seconds in all, their error


def whole(what: str, pieces: Sequence[float], count: float) -> Part:
    """Return a part of `count` pieces such as those that took so many seconds."""
    error = statistics.stdev(pieces) / math.sqrt(len(pieces)) * stats.t.ppf(0.975, len(pieces) - 1)
    return what, statistics.mean(pieces) * count, error * count


def repeated(call: Callable[[], object]) -> list[float]:
    """Return the seconds of each of some calls."""
    found = []
    for _ in range(PIECES):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found


def fine_tuning(folder: Path, device: torch.device) -> Part:
    steps = finetune_ours(folder, rows(ARTICLES * EPOCHS // SHARE, seed=1), device)[NUM_WARMING:]
    an_article = [seconds / articles for articles, seconds in steps]
    return whole("fine-tuning, 1,500 articles × 4", an_article, ARTICLES * EPOCHS)


def validating(folder: Path, device: torch.device) -> Part:
    t5 = load_t5(folder, choose_dtype("auto", device), device)
    data = [{"id": str(number), **row} for number, row in enumerate(rows(BATCH, seed=3))]
    params = FINETUNE.model_copy(update={"max_new_tokens": NUM_TOKENS})

    def validation(count: int) -> Validation:
        table = TokenizedRows(pa.Table.from_pylist(data[:count]))
        return Validation(table, dict.fromkeys(table.ids, "Llueve."), load_tokenizer(folder), params)

    validation(8)(t5)  # warms up
    whole_batch = validation(BATCH)
    pieces = repeated(lambda: whole_batch(t5))
    return whole("validation on 500 articles, five times", pieces, (EPOCHS + 1) * VALIDATION / BATCH)


def writing(what: str, folder: Path, device: torch.device, articles: int) -> Part:
    """Return what it takes to write the summaries of so many articles."""
    write = Ours(folder, device, "auto", BATCH)
    sources = [row["input_ids"] for row in rows(BATCH, seed=2)]
    write(sources[:8], 1, 2)  # warms up

    def batch() -> None:
        check_lengths(write(sources, 1, NUM_TOKENS), NUM_TOKENS)

    return whole(what, repeated(batch), articles / BATCH)


def scoring() -> Part:
    texts = [" ".join(f"w{token % 997}" for token in row["labels"]) for row in rows(TEST, seed=4)]
    rouge = SpanishRouge(keep_in_memory=True)
    pieces = repeated(lambda: rouge.compute(predictions=texts, references=texts[::-1]))
    return whole("ROUGE, of six systems", pieces, 6)


def checkpoints(scratch: Path, seconds: float) -> Part:
    """Return what writing, flushing and hashing its checkpoints takes a fine-tuning of so many seconds."""
    path, content = scratch / "checkpoint", bytes(CHECKPOINT)

    def save() -> None:
        path.write_bytes(content)
        flush(path)
        digest(path)

    count = EPOCHS * (1 + int(seconds / EPOCHS // seconds_between()))
    return whole(f"{count} checkpoints", repeated(save), count)


def parts(device: torch.device, scratch: Path) -> Iterator[Part]:
    yield scoring()
    for name in SHAPES:
        folder = made_up(name, scratch / name)
        if name == "flan-small":
            tuning = fine_tuning(folder, device)
            yield tuning
            yield checkpoints(scratch, tuning[1])
            yield validating(folder, device)
        twice = name == "flan-small"  # the base, and what it became
        yield writing(f"{name}, {'2 × ' * twice}200 articles", folder, device, TEST * (1 + twice))


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.course")
    arguments.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    chosen = arguments.parse_args()
    if chosen.write:
        check_parts(["course"])
    be_quiet()
    device = prepare_torch(seed=7)
    lines = [*hardware(device), "", "| part | minutes | ± |", "|---|---:|---:|"]
    say("\n".join(lines))
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for what, total, error in parts(device, Path(scratch)):
            found.append((total, error))
            lines.append(f"| {what} | {total / 60:.1f} | {error / 60:.1f} |")
            say(lines[-1])
    total, error = sum(part[0] for part in found), math.hypot(*(part[1] for part in found))
    lines.append(f"| all | {total / 60:.1f} | {error / 60:.1f} |")
    say(lines[-1])
    if chosen.write:
        write_results("course", lines, 1)


if __name__ == "__main__":
    run(main)
