"""MLSUM's full size: memory and speed of `fetch`, `format` and `tokenize`, beside `datasets.map`.

    python -m benchmarks.full_scale                       MLSUM's 290,645 rows; half an hour, 4 GB
    python -m benchmarks.full_scale --share 0.02          the same in small, to see that it works
    python -m benchmarks.full_scale --base FOLDER         the tokenizer and config.json of a real checkpoint

- The corpus is made up: stories of the embedded news in a row, of MLSUM's lengths (mean 800 words).
- A hub on loopback serves it; the stages run as `dvc repro` runs them under the profile mlsum.
- Beside `datasets.map(tokenizer, batched=True)`: the same rows, limits and ids; in turn, several rounds.
  Their lengths are MLSUM's, counted in tokens of the vocabulary at hand: the miniature's has longer ones.
"""

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from benchmarks.speed import check_parts, hardware, say, write_results
from benchmarks.workload import MEDIAN_SOURCE
from resumen.news.stories import stories
from resumen.runtime.cli import parser, run
from resumen.schema.checkpoints import miniature_path
from resumen.schema.rows import read_table, write_table
from resumen.schema.sections import TokenizeParams
from resumen.sources.mlsum import MLSUM_ROWS
from resumen.vocabulary.tokenizer import encode, load_tokenizer
from stages.tokenize import DYNAMIC, encode_rows
from stages.weights import unpack
from tests.helpers.hub import Hub

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache/full_scale"
COMMIT = "b" * 40
COLUMNS = ("text", "summary", "topic", "url", "title", "date")
MEDIAN_WORDS, SIGMA = 714, 0.477  # of a log-normal: its mean is 800
ROWS_PER_GROUP = 1_000  # as the hub's converter writes
MAP_ROWS = 5_000  # of the comparison
ROUNDS = 5

Row = dict[str, str]


def articles(count: int, seed: int, median_words: float = MEDIAN_WORDS) -> Iterator[dict[str, str]]:
    """Yield made-up rows of MLSUM's columns and lengths, no two with the same text."""
    draw = Random(seed)
    pool = [(story.text, story.summary, len(story.text.split())) for story in stories(2_000, seed)]
    for number in range(count):
        left, texts = int(draw.lognormvariate(math.log(median_words), SIGMA)), []
        while left > 0:
            text, summary, words = pool[draw.randrange(len(pool))]
            texts.append(text)
            left -= words
        row = dict.fromkeys(COLUMNS, "sociedad")
        yield row | {"text": f"Noticia {number}. {' '.join(texts)}", "summary": f"{summary} ({number})"}


def make_corpus(folder: Path, share: float) -> dict[str, Path]:
    """Return the Parquet file of each split, made unless it is there."""
    files = {}
    for seed, (split, count) in enumerate(MLSUM_ROWS["es"].items(), start=9_001):
        files[f"es/{split}/0000.parquet"] = path = folder / f"{share}/{split}.parquet"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial, rows = path.with_suffix(".partial"), articles(int(count * share), seed)
        schema = pa.schema([(name, pa.string()) for name in COLUMNS])
        with pq.ParquetWriter(partial, schema, compression="snappy") as writer:
            while group := [row for _, row in zip(range(ROWS_PER_GROUP), rows, strict=False)]:
                writer.write_table(pa.Table.from_pylist(group, schema))
        partial.rename(path)
    return files


def run_stage(name: str, project: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds and the peak resident memory (GB) of a stage in a process of its own."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", f"stages.{name}"], cwd=project, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"stages.{name} failed")
    return time.monotonic() - start, usage.ru_maxrss / 1e6


def rows_of_tokens(tokenizer: Tokenizer, median_tokens: int) -> tuple[list[dict[str, str]], float]:
    """Return formatted rows whose articles have `median_tokens` in the median, and the tokens of a word."""
    texts = [row["text"] for row in articles(100, seed=1)]
    density = sum(map(len, encode(tokenizer, texts))) / sum(len(text.split()) for text in texts)
    output = articles(MAP_ROWS, seed=2, median_words=median_tokens / density)
    rows = [
        {"id": str(number), "prompt": f"Resume: {row['text']}", "completion": row["summary"]}
        for number, row in enumerate(output)
    ]
    return rows, density


def with_map(rows: list[Row], base: Path, params: TokenizeParams, folder: Path) -> tuple[float, Dataset]:
    """Tokenize as the documentation of datasets shows it."""
    tokenizer = AutoTokenizer.from_pretrained(base)

    def tokenize(batch: dict[str, list[str]]) -> dict:
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


def compare(base: Path, limit: int, scratch: Path) -> Iterator[str]:
    """Yield lines on the articles a second of our tokenizing and of `datasets.map`, and on their ratio."""
    disable_progress_bars()
    rows, density = rows_of_tokens(load_tokenizer(base), MEDIAN_SOURCE)
    params = TokenizeParams(
        source_tokens=limit,
        target_tokens=128,
        padding="dynamic",
        spell_spanish=False,
        min_letter_count=1,
        letter_score=-12.0,
    )

    def taken(call: Callable[..., tuple[float, Any]], count: int = MAP_ROWS) -> tuple[float, Any]:
        folder = Path(tempfile.mkdtemp(dir=scratch))
        return call(rows[:count], base, params, folder)

    result: dict[str, list[float]] = {"ours": [], "datasets.map": []}
    for _ in range(ROUNDS):
        own, path = taken(with_ours)
        other, mapped = taken(with_map)
        check_ids(path, mapped)
        result["ours"].append(own)
        result["datasets.map"].append(other)
    medians = {name: statistics.median(values) for name, values in result.items()}
    ratios = [other / own for own, other in zip(*result.values(), strict=True)]
    counts = [MAP_ROWS // times for times in (16, 4, 1)]
    curve = [count / min(taken(with_ours, count)[0] for _ in range(3)) for count in counts]
    message = [", ".join(f"{value:,.0f}" for value in values) for values in (curve, counts)]
    yield "| tokenizing | articles/s | ours is | least to most |"
    yield "|---|---:|---:|---|"
    yield f"| ours | {MAP_ROWS / medians['ours']:,.0f} | | |"
    ratio, spread = medians["datasets.map"] / medians["ours"], f"{min(ratios):.2f} to {max(ratios):.2f}"
    yield f"| datasets.map | {MAP_ROWS / medians['datasets.map']:,.0f} | {ratio:.2f} × | {spread} |"
    yield ""
    yield (
        f"{MAP_ROWS:,} articles, {density:.2f} tokens a word, cut at {limit} of {MEDIAN_SOURCE:,} tokens "
        f"(median); equal ids. Ours: {message[0]} articles/s at {message[1]} rows."
    )


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.full_scale --share 0.02")
    arguments.add_argument("--share", type=float, default=1.0, help="of MLSUM's rows (default: 1)")
    arguments.add_argument("--base", type=Path, help="a folder with tokenizer.json and config.json")
    arguments.add_argument("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    options = arguments.parse_args()
    part = "tokenizing, genuine" if options.base else "tokenizing"
    if options.write:
        check_parts([part])
    CACHE.mkdir(parents=True, exist_ok=True)
    files = make_corpus(CACHE / "corpus", options.share)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary, Hub() as hub:
        project = Path(temporary)
        hub.add("reciTAL/mlsum", COMMIT, files, kind="datasets", branch="refs/convert/parquet")
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        (project / "params.yaml").write_text(
            params.replace("profile: mini", "profile: mlsum", 1), encoding="utf-8"
        )
        base = project / "models/pretrained/flan-small"
        base.parent.mkdir(parents=True)
        if options.base:
            shutil.copytree(options.base, base)
        else:
            unpack(miniature_path("flan-small"), base)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment |= {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.url, "HF_HOME": str(project / "hub")}
        for name in ("fetch", "format", "tokenize"):
            seconds, gigabytes = run_stage(name, project, environment)
            say(f"{name}: {seconds:.0f} s, {gigabytes:.2f} GB resident")
        lines = [hardware(torch.device("cpu")), "", *compare(base, 512, project)]
    say("\n".join(lines))
    if options.write:
        write_results(part, lines, ROUNDS)


if __name__ == "__main__":
    run(main)
