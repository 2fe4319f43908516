"""Tokenizing beside `datasets.map`: the same rows, limits and ids; in turn, five rounds.

    python -m benchmarks.vocabulary                some minutes
    python -m benchmarks.vocabulary --base FOLDER  the tokenizer and config.json of a real checkpoint

The lengths of the articles are MLSUM's, counted in tokens of the vocabulary at hand: the miniature's has
longer ones. It ends without a table where the ids differ.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from benchmarks.harness.results import benchmark, check_parts, tell
from benchmarks.harness.workload import MEDIAN_SOURCE, articles
from resumen.runtime.cli import run
from resumen.schema.checkpoints import miniature_path
from resumen.schema.rows import read_table, write_table
from resumen.schema.sections import TokenizeParams
from resumen.vocabulary.tokenizer import encode, load_tokenizer
from stages.tokenize import DYNAMIC, encode_rows
from stages.weights import unpack

NUM_ROWS = 5_000
LIMIT = 512  # tokens of an article

Row = dict[str, str]


def rows_of_tokens(tokenizer: Tokenizer, median_tokens: int) -> tuple[list[Row], float]:
    """Return formatted rows whose articles have `median_tokens` in the median, and the tokens of a word."""
    texts = [row["text"] for row in articles(100, seed=1)]
    density = sum(map(len, encode(tokenizer, texts))) / sum(len(text.split()) for text in texts)
    output = articles(NUM_ROWS, seed=2, median_words=median_tokens / density)
    rows = [
        {"id": str(number), "prompt": f"Resume: {row['text']}", "completion": row["summary"]}
        for number, row in enumerate(output)
    ]
    return rows, density


def with_map(rows: list[Row], base: Path, params: TokenizeParams, folder: Path) -> tuple[float, Dataset]:
    """Tokenize as the documentation of datasets shows it."""
    tokenizer = AutoTokenizer.from_pretrained(base)

    def tokenize(batch: dict[str, list[str]]) -> Any:
        output = tokenizer(batch["prompt"], max_length=params.source_tokens, truncation=True)
        targets = tokenizer(text_target=batch["completion"], max_length=params.target_tokens, truncation=True)
        return output | {"labels": targets["input_ids"]}

    table, columns = Dataset.from_list(rows), ["prompt", "completion"]
    start = time.monotonic()
    output = table.map(
        tokenize, batched=True, remove_columns=columns, cache_file_name=str(folder / "map.arrow")
    )
    return time.monotonic() - start, output


def with_ours(rows: list[Row], base: Path, params: TokenizeParams, folder: Path) -> tuple[float, Path]:
    """Tokenize as the stage does, without the statistics that it takes beside."""
    tokenizer = load_tokenizer(base)
    start = time.monotonic()
    encoded = encode_rows(iter(rows), tokenizer, params, "instruction")
    write_table(folder / "ours.parquet", encoded, DYNAMIC)
    return time.monotonic() - start, folder / "ours.parquet"


def check_ids(path: Path, mapped: Dataset) -> None:
    """End if ours are other ids than those of `datasets.map`."""
    ours = list(read_table(path, DYNAMIC.names))
    if any([row[name] for row in ours] != list(mapped[name]) for name in ("input_ids", "labels")):
        sys.exit("ids differ: this is no comparison")


def compare(rounds: int, base: Path, scratch: Path) -> Iterator[str]:
    """Yield lines on the articles a second of our tokenizing and of `datasets.map`, and on their ratio."""
    disable_progress_bars()
    rows, density = rows_of_tokens(load_tokenizer(base), MEDIAN_SOURCE)
    params = TokenizeParams(
        source_tokens=LIMIT,
        target_tokens=128,
        padding="dynamic",
        spell_spanish=False,
        min_letter_count=1,
        letter_score=-12.0,
    )

    def taken(call: Callable[..., tuple[float, Any]], count: int = NUM_ROWS) -> tuple[float, Any]:
        folder = Path(tempfile.mkdtemp(dir=scratch))
        return call(rows[:count], base, params, folder)

    result: dict[str, list[float]] = {"ours": [], "datasets.map": []}
    for _ in range(rounds):
        own, path = taken(with_ours)
        other, mapped = taken(with_map)
        check_ids(path, mapped)
        result["ours"].append(own)
        result["datasets.map"].append(other)
    medians = {name: statistics.median(values) for name, values in result.items()}
    ratios = [other / own for own, other in zip(*result.values(), strict=True)]
    counts = [NUM_ROWS // times for times in (16, 4, 1)]
    curve = [count / min(taken(with_ours, count)[0] for _ in range(3)) for count in counts]
    message = [", ".join(f"{value:,.0f}" for value in values) for values in (curve, counts)]
    yield "| tokenizing | articles/s | ours is | least to most |"
    yield "|---|---:|---:|---|"
    yield f"| ours | {NUM_ROWS / medians['ours']:,.0f} | | |"
    ratio, spread = medians["datasets.map"] / medians["ours"], f"{min(ratios):.2f} to {max(ratios):.2f}"
    yield f"| datasets.map | {NUM_ROWS / medians['datasets.map']:,.0f} | {ratio:.2f} × | {spread} |"
    yield ""
    yield (
        f"{NUM_ROWS:,} articles, {density:.2f} tokens a word, cut at {LIMIT} of {MEDIAN_SOURCE:,} tokens "
        f"(median); equal ids. Ours: {message[0]} articles/s at {message[1]} rows."
    )


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.vocabulary", rounds=5)
    arguments.add_argument("--base", type=Path, help="a folder with tokenizer.json and config.json")
    chosen = arguments.parse_args()
    part = "tokenizing, genuine" if chosen.base else "tokenizing"
    if chosen.write:
        check_parts([part])
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        base = chosen.base or scratch / "flan-small"
        if not chosen.base:
            unpack(miniature_path("flan-small"), base)
        lines = compare(chosen.rounds, base, scratch)
        tell(part, lines, torch.device("cpu"), chosen.rounds, chosen.write)


if __name__ == "__main__":
    run(main)
