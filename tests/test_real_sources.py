"""MLSUM and the published checkpoints, as the README's commands fetch them, from a hub on loopback.

The hub serves miniatures under the real names and commits; in the last test, T5s of the true shapes with
random weights and the genuine vocabulary.
"""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

from stages.shared.files import read_json
from stages.shared.news import stories
from stages.shared.params import read_yaml
from stages.weights import unpack
from tests.clone import KEPT_CHECKPOINTS, ROOT, ran, run, set_params, small_clone
from tests.hub import Hub

SHARED = ROOT.parent / "shared/data"
CHECKPOINTS = read_yaml(ROOT / "params.yaml")["checkpoints"]
ROWS = {"train": 40, "validation": 10, "test": 10}


def serve_mlsum(hub: Hub, folder: Path) -> None:
    """Let `hub` have MLSUM es, made up and small, in the layout of the real one."""
    files, made = {}, iter(stories(sum(ROWS.values()), 4_242))
    for split, count in ROWS.items():
        rows = [next(made) for _ in range(count)]
        columns = {
            "text": [" ".join([story.text] * 6) for story in rows],  # about as long as MLSUM's
            "summary": [story.summary for story in rows],
            **{name: [""] * count for name in ("topic", "url", "title", "date")},
        }
        files[f"es/{split}/0000.parquet"] = path = folder / f"{split}.parquet"
        pq.write_table(pa.table(columns), path)
    hub.add("reciTAL/mlsum", "b" * 40, files, kind="datasets", branch="refs/convert/parquet")


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    """A hub with the miniatures under the names and at the commits of params.yaml."""
    with Hub() as server:
        for name in KEPT_CHECKPOINTS:
            folder = tmp_path_factory.mktemp(name) / "model"
            unpack(ROOT / f"stages/miniatures/{name}.safetensors", folder)
            files = {path.name: path for path in folder.iterdir()}
            server.add(CHECKPOINTS[name]["repo"], CHECKPOINTS[name]["revision"], files)
        serve_mlsum(server, tmp_path_factory.mktemp("mlsum"))
        yield server
    assert not server.unhandled


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone with fewer systems than the real one; all else is what a user has."""
    return small_clone(tmp_path_factory.mktemp("real") / "clone", small={})


def environment(clone: Path, hub: Hub) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(clone.parent / "huggingface"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def commands(beginning: str) -> list[str]:
    """Return the commands of README.md that begin so, comments off, continued lines joined."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(rf"^{re.escape(beginning)}.*", text, re.MULTILINE)
    return [re.sub(r"\s+#.*", "", command) for command in found]


@pytest.mark.pipeline
@pytest.mark.parametrize("profile", ["course", "mlsum"])
def test_the_documented_command_runs_as_it_stands(clone, hub, profile):
    (command,) = commands(f"dvc exp run -S profile={profile}")
    said = run(clone, *shlex.split(command), **environment(clone, hub))
    assert {"fetch", "tokenize", "finetune", "generate@finetuned", "evaluate", "report"} <= ran(said)
    data = read_json(clone / "metrics/data.json")
    assert data["provenance"][0]["commit"] == "b" * 40
    assert [row["kept"] for row in data["splits"]] == list(ROWS.values())
    for name in KEPT_CHECKPOINTS:
        provenance = read_json(clone / f"models/pretrained/{name}/provenance.json")
        assert (provenance["repo"], provenance["commit"]) == tuple(CHECKPOINTS[name].values())
    page = (clone / "reports/report.html").read_text(encoding="utf-8")
    assert "google/flan-t5-small" in page
    assert "stand-in" not in page.lower()
    run(clone, "git", "checkout", "--quiet", ".")


@pytest.mark.slow
def test_the_courses_way_and_ours_are_compared_as_the_readme_says(clone, hub):
    course, ours = commands("dvc exp run --temp -n ")
    for command in (course, ours):
        run(clone, *shlex.split(command), **environment(clone, hub))
    assert run(clone, "git", "diff", "--name-only") == ""  # as --temp promises
    (compare,) = commands("dvc metrics diff as-the-course")
    diff = json.loads(run(clone, *shlex.split(compare), "--json"))
    letters = diff["metrics/tokenize.json"]["letters_added"]
    assert letters["old"] == ""
    assert "ñ" in letters["new"]
    assert diff["metrics/tokenize.json"]["padding_pct"]["new"] == 0.0
    assert diff["metrics/systems/finetuned.json"]["lost_words_pct"]["new"] == 0.0


def true_shape(folder: Path, config: Path, *, untied: bool) -> None:
    """Write a T5 of the true shape with random weights, and the genuine vocabulary."""
    genuine = SHARED / "flan-t5-small-files"
    folder.mkdir()
    names = ["tokenizer.json", "generation_config.json"]
    if untied:  # google-t5/t5-base lacks it
        names.append("tokenizer_config.json")
    for name in names:
        shutil.copyfile(genuine / name, folder / name)
    shutil.copyfile(config, folder / "config.json")
    torch.manual_seed(13)
    state = T5ForConditionalGeneration(T5Config(**read_json(config))).state_dict()
    tensors = {
        name: tensor.clone()
        for name, tensor in state.items()
        if not name.endswith("embed_tokens.weight") and name != "lm_head.weight"
    }
    if untied:
        tensors["lm_head.weight"] = torch.randn_like(tensors["shared.weight"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def bytes_on_disk(*folders: Path) -> int:
    """Return the bytes of all files below, those of one inode counted once."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found[path.stat().st_ino] = path.stat().st_size
    return sum(found.values())


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data, which does not come with the code")
def test_true_shapes_go_through_and_no_second_copy_stays(tmp_path):
    shapes = {
        "flan-small": (SHARED / "flan-t5-small-files/config.json", True),
        "t5-base": (SHARED / "t5-base.config.json", False),
    }
    clone = small_clone(tmp_path / "clone", small={"finetune.epochs": 1, "finetune.max_new_tokens": 4})
    set_params(clone, {"generate.max_new_tokens": 4, "profiles.course.data.train": 16})
    with Hub() as hub:
        for name, (config, untied) in shapes.items():
            true_shape(tmp_path / name, config, untied=untied)
            files = {path.name: path for path in (tmp_path / name).iterdir()}
            hub.add(CHECKPOINTS[name]["repo"], CHECKPOINTS[name]["revision"], files)
        serve_mlsum(hub, tmp_path)
        for key in ("checkpoints.t5-small", "systems.t5-small"):
            remove_key(clone, key)
        run(clone, "git", "commit", "--quiet", "--all", "--message=true shapes")
        said = run(clone, "dvc", "exp", "run", "-S", "profile=course", **environment(clone, hub))
        assert {"weights@t5-base", "tokenize", "finetune", "generate@finetuned", "evaluate"} <= ran(said)
    metrics = read_json(clone / "metrics/finetune.json")
    assert metrics["num_parameters"] == 76_961_152
    assert read_json(clone / "metrics/tokenize.json")["exact_round_trip_pct"] == 100.0
    assert read_json(clone / "metrics/systems/finetuned.json")["lost_words_pct"] == 0.0
    assert {path.stem for path in (clone / "data/predictions").iterdir()} >= {"flan-small", "finetuned"}
    kept = bytes_on_disk(clone, clone.parent / "huggingface")
    assert kept <= 1.3 * hub.bytes_served, kept / hub.bytes_served


def remove_key(clone: Path, key: str) -> None:
    """Take an entry (section.name, on lines of its own) out of params.yaml."""
    section, name = key.split(".")
    path = clone / "params.yaml"
    head, body = path.read_text(encoding="utf-8").split(f"\n{section}:\n")
    body = re.sub(rf"^  {name}:\n(    .*\n)+", "", body, count=1, flags=re.MULTILINE)
    path.write_text(f"{head}\n{section}:\n{body}", encoding="utf-8")
