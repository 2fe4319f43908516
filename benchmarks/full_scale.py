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
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from stages.shared.cli import parser, run
from stages.shared.files import read_table, write_table
from stages.shared.mlsum import MLSUM_ROWS
from stages.shared.news import stories
from stages.shared.spelling import encode, load_tokenizer
from stages.tokenize import DYNAMIC, TokenizeParams, encode_rows
from stages.weights import miniature_path, unpack
from tests.hub import Hub

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache/full_scale"
COMMIT = "b" * 40
COLUMNS = ("text", "summary", "topic", "url", "title", "date")
MEDIAN_WORDS, SIGMA = 714, 0.477  # of a log-normal: its mean is 800
MEDIAN_TOKENS = 1_784  # of the same articles in Flan-T5's vocabulary
ROWS_PER_GROUP = 1_000  # as the hub's converter writes
MAP_ROWS = 5_000  # of the comparison
ROUNDS = 5


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
    made = articles(MAP_ROWS, seed=2, median_words=median_tokens / density)
    rows = [
        {"id": str(number), "prompt": f"Resume: {row['text']}", "completion": row["summary"]}
        for number, row in enumerate(made)
    ]
    return rows, density


def compare(base: Path, limit: int, scratch: Path) -> Iterator[str]:
    """Yield lines on the articles a second of our tokenizing and of `datasets.map`, and on their ratio."""
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoTokenizer

    disable_progress_bars()
    theirs, ours = AutoTokenizer.from_pretrained(base), load_tokenizer(base)
    rows, density = rows_of_tokens(ours, MEDIAN_TOKENS)
    yield f"{len(rows)} articles, {density:.2f} tokens a word, cut at {limit} of {MEDIAN_TOKENS} (median)"
    params = TokenizeParams(
        source_tokens=limit,
        target_tokens=128,
        padding="dynamic",
        spell_spanish=False,
        min_letter_count=1,
        letter_score=-12.0,
    )

    table = Dataset.from_list(rows)

    def with_map(folder: Path) -> Dataset:
        def tokenize(batch: dict[str, list[str]]) -> dict:
            made = theirs(batch["prompt"], max_length=limit, truncation=True)
            made["labels"] = theirs(text_target=batch["completion"], max_length=128, truncation=True)[
                "input_ids"
            ]
            return made

        return table.map(
            tokenize,
            batched=True,
            remove_columns=["prompt", "completion"],
            cache_file_name=str(folder / "map.arrow"),
        )

    def with_ours(folder: Path, most: int = MAP_ROWS) -> Path:
        encoded = encode_rows(iter(rows[:most]), ours, params, "instruction")
        write_table(folder / "ours.parquet", encoded, DYNAMIC)
        return folder / "ours.parquet"

    def seconds(call: Callable[[Path], object], name: str) -> tuple[float, object]:
        folder = scratch / name
        folder.mkdir()
        start = time.monotonic()
        made = call(folder)
        return time.monotonic() - start, made

    ratios, rates = [], {"ours": [], "datasets.map": []}
    for number in range(ROUNDS):
        own, path = seconds(with_ours, f"ours-{number}")
        other, mapped = seconds(with_map, f"map-{number}")
        if number == 0:
            names = ("input_ids", "labels")
            same = {name: [row[name] for row in read_table(path, DYNAMIC.names)] for name in names}
            if any(same[name] != list(mapped[name]) for name in names):
                sys.exit("ids differ: this is no comparison")
        rates["ours"].append(len(rows) / own)
        rates["datasets.map"].append(len(rows) / other)
        ratios.append(other / own)
    for name, values in rates.items():
        yield f"{name}: {statistics.median(values):,.0f} articles/s (median of {ROUNDS})"
    curve = []
    for count in (300, 1_200, 4_800):
        taken = min(seconds(partial(with_ours, most=count), f"ours-{count}-{turn}")[0] for turn in range(3))
        curve.append(f"{count / taken:,.0f}")
    yield f"ours at 300, 1,200 and 4,800 rows: {', '.join(curve)} articles/s"
    yield f"ratio: {statistics.median(ratios):.2f} (median; {min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.full_scale --share 0.02")
    arguments.add_argument("--share", type=float, default=1.0, help="of MLSUM's rows (default: 1)")
    arguments.add_argument("--base", type=Path, help="a folder with tokenizer.json and config.json")
    options = arguments.parse_args()
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
            sys.stdout.write(f"{name}: {seconds:.0f} s, {gigabytes:.2f} GB resident\n")
            sys.stdout.flush()
        for line in compare(base, 512, project):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    run(main)
