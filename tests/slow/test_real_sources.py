"""MLSUM and the published checkpoints: all of it, both ways side by side, and T5s of the true shapes."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

from resumen.runtime.jsonfiles import read_json
from tests.helpers.clone import ran, run, set_params, small_clone
from tests.helpers.hub import Hub
from tests.helpers.paths import SHARED
from tests.helpers.sources import CHECKPOINTS, commands, environment, runs_as_documented, serve_mlsum


def test_the_documented_command_of_mlsum_runs_as_it_stands(fresh_clone, published):
    runs_as_documented("mlsum", fresh_clone, published)


def test_the_courses_way_and_ours_are_compared_as_the_readme_says(fresh_clone, published):
    course, ours = commands("dvc exp run --temp -n ")
    for command in (course, ours):
        run(fresh_clone, *shlex.split(command), **environment(fresh_clone, published))
    assert run(fresh_clone, "git", "diff", "--name-only") == ""  # as --temp promises
    (compare,) = commands("dvc metrics diff as-the-course")
    diff = json.loads(run(fresh_clone, *shlex.split(compare), "--json"))
    letters = diff["metrics/tokenize/flan-small.json"]["letters_added"]
    assert letters["old"] == ""
    assert "ñ" in letters["new"]
    assert diff["metrics/tokenize/flan-small.json"]["padding_pct"]["new"] == 0.0
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
    result = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                result[path.stat().st_ino] = path.stat().st_size
    return sum(result.values())


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
        run(clone, "git", "commit", "--quiet", "--all", "--message=true shapes")
        message = run(clone, "dvc", "exp", "run", "-S", "profile=course", **environment(clone, hub))
        assert {
            "weights@t5-base",
            "tokenize@flan-small",
            "finetune@flan-small",
            "generate@finetuned",
            "evaluate",
        } <= ran(message)
    metrics = read_json(clone / "metrics/finetune/flan-small.json")
    assert metrics["num_parameters"] == 76_961_152
    assert read_json(clone / "metrics/tokenize/flan-small.json")["exact_round_trip_pct"] == 100.0
    assert read_json(clone / "metrics/systems/finetuned.json")["lost_words_pct"] == 0.0
    assert {path.stem for path in (clone / "data/predictions").iterdir()} >= {"flan-small", "finetuned"}
    kept = bytes_on_disk(clone, clone.parent / "huggingface")
    assert kept <= 1.3 * hub.bytes_served, kept / hub.bytes_served
