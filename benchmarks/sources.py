"""MLSUM's full size: memory and time of `fetch`, `format` and `tokenize`.

    python -m benchmarks.sources               MLSUM's 290,645 rows; half an hour, 4 GB
    python -m benchmarks.sources --share 0.02  the same in small, to see that it works
    python -m benchmarks.sources --base FOLDER the tokenizer and config.json of a real checkpoint

The corpus is made up, of MLSUM's lengths (mean 800 words). A hub on loopback serves it; the stages run as
`dvc repro` runs them under the profile mlsum.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.results import say
from benchmarks.harness.workload import COLUMNS, articles
from resumen.runtime.cli import parser, run
from resumen.schema.checkpoints import miniature_path
from resumen.sources.mlsum import MLSUM_ROWS
from stages.weights import unpack
from tests.helpers.hub import Hub

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache/full_scale"
COMMIT = "b" * 40
ROWS_PER_GROUP = 1_000  # as the hub's converter writes


def make_corpus(folder: Path, share: float) -> dict[str, bytes | Path]:
    """Return the Parquet file of each split, made unless it is there."""
    files: dict[str, bytes | Path] = {}
    for seed, (split, count) in enumerate(MLSUM_ROWS["es"].items(), start=9_001):
        path = folder / f"{share}/{split}.parquet"
        files[f"es/{split}/0000.parquet"] = path
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


def run_stage(command: str, project: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds and the peak resident memory (GB) of a stage in a process of its own."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *command.split()], cwd=project, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return time.monotonic() - start, usage.ru_maxrss / 1e6


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.sources --share 0.02")
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
        for command in ("stages.fetch", "stages.format", "stages.tokenize flan-small"):
            seconds, gigabytes = run_stage(command, project, environment)
            say(f"{command}: {seconds:.0f} s, {gigabytes:.2f} GB resident")


if __name__ == "__main__":
    run(main)
