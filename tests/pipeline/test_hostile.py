"""Hostile files: what would fill the memory or never end, and what a hub may send."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resumen.runtime.guards import MAX_TOKENIZER
from tests.helpers.hostile import AUTO, PAYLOAD, PICKLE, sparse
from tests.helpers.hub import Hub, environment_of
from tests.helpers.paths import ROOT
from tests.helpers.processes import ended, start

resource = pytest.importorskip("resource")  # POSIX alone

pytestmark = pytest.mark.usefixtures("nothing_ran")

LIMIT = 3 * 2**30
SECONDS = 30  # the start of Python and its libraries included


def refusal(*command: str, cwd: Path, stdin: int = subprocess.DEVNULL) -> str:
    """Return the message of a stage that runs within the limits, and must fail."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RESUMEN_THREADS": "1"},
        stdin=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
    )
    assert done.returncode == 1, done.stderr[-2_000:]
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().split("\n")
    assert lines[-1].startswith("error: ")
    assert len(lines[-1]) < 3_000
    return lines[-1].removeprefix("error: ")


def bomb(path: Path, value: str, count: int) -> None:
    """Write `count` rows of one `value`, which a dictionary and a run length make small."""
    indices = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value]))
    table = pa.table({"text": indices, "summary": indices})
    pq.write_table(table, path, compression="zstd", row_group_size=count, dictionary_pagesize_limit=2**30)
    assert path.stat().st_size < len(value) * count / 1_000


def test_a_parquet_of_a_few_huge_rows_over_and_over_is_refused(project, use):
    bomb(project / "own.parquet", "Llueve. " * 5_000_000, 10_000)
    use("own.parquet")
    message = refusal("stages.fetch", cwd=project)
    assert message.startswith("own.parquet: row 1: expected at most 33,554,432 bytes, got 80,00")
    assert message.endswith("; this is no article")


def test_a_parquet_of_small_rows_without_end_is_refused(project, use):
    bomb(project / "own.parquet", "Llueve. " * 10_000, 1_000_000)
    use("own.parquet")
    message = refusal("stages.fetch", cwd=project)
    assert message.startswith("own.parquet: row ")
    assert message.endswith("got more; write it again from where the rows came from")


def test_a_parquet_of_a_huge_page_is_refused_before_it_is_read(project, use):
    path = project / "own.parquet"
    rows = pa.array(["Llueve. " * 100] * 200_000)
    pq.write_table(
        pa.table({"text": rows, "summary": rows}),
        path,
        compression="zstd",
        use_dictionary=False,
        data_page_size=2**30,
        row_group_size=len(rows),
        max_rows_per_page=len(rows),
    )
    assert path.stat().st_size < 1_000_000
    use("own.parquet")
    assert re.fullmatch(
        r"own.parquet: expected a file of [\d,]+ bytes to hold at most 268,435,456, its footer says "
        r"3[\d,]{10}; write it again from where the rows came from",
        refusal("stages.fetch", cwd=project),
    )


def test_a_parquet_that_claims_rows_without_end_has_those_that_are_there(project, use):
    path = project / "own.parquet"
    pq.write_table(pa.table({"text": ["Llueve."] * 3, "summary": ["Llueve."] * 3}), path)
    content = path.read_bytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    varint = bytes([6])  # zigzag of 3, the number of rows, of values and of the group's rows
    lying = footer.replace(b"\x16" + varint, b"\x16" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")
    assert lying != footer
    path.write_bytes(content[: -8 - len(footer)] + lying + len(lying).to_bytes(4, "little") + b"PAR1")
    use("own.parquet")
    assert refusal("stages.fetch", cwd=project).startswith(
        "params.yaml: data.test: 0.1 of 3 rows is 0, and 3"
    )


def test_a_line_of_json_of_1_gb_is_refused(project, use):
    sparse(project / "own.jsonl")
    use("own.jsonl")
    assert refusal("stages.fetch", cwd=project) == (
        "own.jsonl:1: expected at most 33,554,432 bytes in a line, got more; part it"
    )


def test_an_article_of_1_gb_is_refused(project, own):
    sparse(project / "own.txt")
    assert refusal("resumen", "summarize", "--model", "own", "own.txt", cwd=project) == (
        "own.txt: expected at most 33,554,432 bytes, got more; is it the right file?"
    )


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
def test_predictions_and_articles_that_never_end_are_refused(project, news, set_params, make):
    make(project / "own.jsonl")
    set_params({"systems.gpt": {"from": "own.jsonl"}})
    message = (
        "own.jsonl: expected a file, got a pipe or a device; name a file, or copy into one what it gives"
    )
    assert refusal("stages.generate", "gpt", cwd=project) == message


def test_rows_that_never_end_are_refused(project, use):
    os.mkfifo(project / "own.csv")
    use("own.csv")
    assert refusal("stages.fetch", cwd=project).startswith("own.csv: not found; set profiles.files.data.path")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


def from_hub(project: Path, hub: Hub, *command: str) -> str:
    """Return the message of a stage that asks `hub`, and must fail."""
    message = ended(start(*command, folder=project, environment=environment_of(project, hub)), 1)
    assert "Traceback" not in message
    return message.strip().split("\n")[-1].removeprefix("error: ")


REPOSITORIES: dict[str, tuple[dict[str, bytes], str]] = {
    "a path out of the folder": (
        {"../../evil.safetensors": b"", "model.safetensors": b""},
        "lists '../../evil.safetensors', which leads out of a folder; take another",
    ),
    "a part out of the folder": (
        {"model-a/../../../evil-of-2.safetensors": b""},
        "lists 'model-a/../../../evil-of-2.safetensors', which leads out of a folder; take another",
    ),
    "an absolute path": (
        {"/etc/evil.safetensors": b""},
        "lists '/etc/evil.safetensors', which leads out of a folder; take another",
    ),
    "a path of Windows": (
        {"..\\evil.safetensors": b""},
        "lists '..\\\\evil.safetensors', which leads out of a folder; take another",
    ),
    "a drive of Windows": (
        {"C:evil.safetensors": b""},
        "lists 'C:evil.safetensors', which leads out of a folder; take another",
    ),
    "a pickle alone": (
        {"pytorch_model.bin": PICKLE},
        "has its weights as pytorch_model.bin only, which can run code when it is read; no branch and no",
    ),
    "code": (
        {
            "model.safetensors": b"",
            "modeling_own.py": PAYLOAD.encode(),
            "config.json": json.dumps({"model_type": "t5", "auto_map": AUTO}).encode(),
        },
        "config.json: auto_map: brings code of others along, which is never run here, got",
    ),
    "a pickle by another name": (
        {"model.safetensors": PICKLE},
        "model.safetensors: not readable as safetensors: ",
    ),
}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_repository_with_a_model_is_refused(project, hub, tiny, set_params, name):
    files, message = REPOSITORIES[name]
    names = ("config.json", "tokenizer.json")
    hub.add("me/own", "1" * 40, {name: (tiny["untied"] / name).read_bytes() for name in names} | files)
    set_params({"weights": "hub", "checkpoints.own": {"repo": "me/own", "revision": "main"}})
    assert from_hub(project, hub, "stages.weights", "own").startswith(f"me/own@{'1' * 40}: {message}")
    assert not Path("models/pretrained/own").exists()
    assert not list(project.parent.rglob("evil*"))


def test_a_tokenizer_of_1_gb_is_not_fetched(project, hub, tiny, set_params):
    sparse(project / "huge.json")
    files: dict[str, bytes | Path] = {"model.safetensors": b"", "tokenizer.json": project / "huge.json"}
    hub.add("me/own", "1" * 40, {"config.json": (tiny["untied"] / "config.json").read_bytes()} | files)
    set_params({"weights": "hub", "checkpoints.own": {"repo": "me/own", "revision": "main"}})
    message = from_hub(project, hub, "stages.weights", "own")
    assert message == (
        f"me/own@{'1' * 40}: tokenizer.json: expected at most {MAX_TOKENIZER:,} bytes, got 1,073,741,824; "
        "take another repository"
    )
    assert not any("GET" in request and "tokenizer.json" in request for request in hub.requests)


def test_a_loading_script_is_refused_and_not_run(project, hub, set_params):
    files = {"mlsum.py": PAYLOAD.encode(), "README.md": b"---\nlicense: other\n---\n"}
    hub.add("me/mlsum", "1" * 40, files, kind="datasets")
    set_params({"profile": "course"})
    for key, value in {"repo": "me/mlsum", "revision": "main"}.items():
        set_params({f"profiles.course.data.{key}": value})
    message = from_hub(project, hub, "stages.fetch")
    assert message == (
        f"me/mlsum@{'1' * 40}: has a loading script, which is never run; it has no branch "
        "refs/convert/parquet either; save its rows as Parquet, and take profile=files"
    )
