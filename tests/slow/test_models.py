"""Models that transformers computes: the documented entries from a hub, kills, several processes."""

import os
import random
import re
import sys
from pathlib import Path

import pytest
import yaml

from resumen.schema.jsonl import read_jsonl
from resumen.schema.predictions import read_meta
from stages.weights import main as weights
from tests.helpers.hub import ALLOWED, Hub, environment_of
from tests.helpers.kills import survives
from tests.helpers.paths import ROOT
from tests.helpers.processes import ended, start, start_together
from tests.helpers.training import forget, outputs

PAGES = {
    name: (ROOT / f"docs/how-to/{name}.md").read_text(encoding="utf-8") for name in ("models", "checkpoints")
}
READY = {
    name: yaml.safe_load(re.search(r"<!-- ready.*?```yaml\n(.*?)```", page, re.DOTALL)[1])
    for name, page in PAGES.items()
}
RELATIVES = {  # of docs/how-to/checkpoints.md, computed here
    "t5-base-lm": "untied",
    "umt5-small": "umt5",
    "t5-base-spanish": "untied",
    "mt5-small-mlsum": "mt5",
    "mt5-base-dacsa": "mt5",
}
KIND = {  # what each entry of docs/how-to/models.md is
    "bart-large-cnn": "bart",
    "mbart-large-50": "mbart50",
    "nases": "bart",
    "beto2beto": "bert2bert",
    "pegasus": "pegasus",
    "opus-mt": "marian",
    "longt5": "longt5",
    "t5gemma": "t5gemma",
    "qwen": "qwen",
    "llama": "llama",
    "salamandra": "llama",
    "gemma": "gemma",
}
GATED = ("t5gemma", "llama", "gemma")
NEVER = {"tf_model.h5": b"another format", "modeling_own.py": b"raise SystemExit", "README.md": b"# A model"}


@pytest.fixture
def ready(formatted, set_params):
    set_params({"generate.max_new_tokens": 5, "tokenize.source_tokens": 80, "probe.generated": 2})
    for page in READY.values():
        set_params({f"{key}.{name}": entry for key, part in page.items() for name, entry in part.items()})
    return formatted["test"]


def test_every_entry_of_a_page_is_a_checkpoint_and_a_system():
    for page, kinds in (("models", KIND), ("checkpoints", RELATIVES)):
        assert set(READY[page]["checkpoints"]) == set(READY[page]["systems"]) == set(kinds)
    rows = re.findall(r"^\| ([\w-]+) \|", PAGES["models"], re.MULTILINE)
    assert [row for row in rows if row in KIND] == list(READY["models"]["checkpoints"])
    rows = re.findall(r"^\| ([\w-]+/[\w-]+) \|", PAGES["checkpoints"], re.MULTILINE)
    assert {entry["repo"] for entry in READY["checkpoints"]["checkpoints"].values()} <= {*rows}


@pytest.fixture
def layout(models, tiny, spiece):
    """A function that returns the files of an entry's repository, tiny."""

    def files(name: str) -> dict[str, bytes]:
        folder = tiny[RELATIVES[name]] if name in RELATIVES else models[KIND[name]]
        has = {path.name: path.read_bytes() for path in folder.iterdir()}
        if name in RELATIVES:  # none of them has a tokenizer.json
            has = {key: has[key] for key in ("config.json", "generation_config.json", "model.safetensors")}
            has["spiece.model"] = spiece.read_bytes()
        return has

    return files


@pytest.mark.parametrize("name", [*KIND, *RELATIVES])
def test_an_entry_of_a_page_runs_as_it_stands(ready, layout, set_params, project, name):
    """With tiny weights in the layout of its repository, beside what is never fetched."""
    files = layout(name)
    set_params({"weights": "hub"})
    with Hub() as hub:
        entry = READY["models" if name in KIND else "checkpoints"]["checkpoints"][name]
        hub.add(entry["repo"], "1" * 40, files | NEVER, branch=entry["revision"], gated=name in GATED)
        told = {"environment": environment_of(project, hub)}
        if name in GATED:
            message = ended(start("stages.weights", name, **told), 1)
            assert "gated; accept its terms on the hub and set HF_TOKEN" in message
            told["HF_TOKEN"] = ALLOWED
        for stage in ("weights", "generate", "probe"):
            ended(start(f"stages.{stage}", name, **told))
        assert not hub.unhandled
        assert not any(unwanted in request for unwanted in NEVER for request in hub.requests)
    rows = list(read_jsonl(Path(f"data/predictions/{name}.jsonl"), ("id", "source_tokens")))
    assert [row["id"] for row in rows] == [row["id"] for row in ready]
    assert (read_meta(name).get("computed_by") == "transformers") == (name in KIND)


@pytest.fixture
def system(ready, models, set_params, runs, request):
    """The name of a system of a kind, its checkpoint there, and its batches small."""
    kind = request.param
    set_params(
        {
            f"checkpoints.{kind}": {"folder": str(models[kind])},
            f"systems.{kind}": {"from": f"models/pretrained/{kind}"},
            "generate.batch_size": 1,
            "generate.max_new_tokens": 60,
        }
    )
    runs(weights, kind)
    return kind


@pytest.mark.parametrize("system", ["bart", "qwen"], indirect=True)
@pytest.mark.skipif(os.name == "nt", reason="no process groups there")
def test_kills_change_no_byte(system):
    survived, with_work = survives(["stages.generate", system], 8, random.Random(3))
    sys.stderr.write(f"{system}: {survived} of 8; {with_work} of the kills left work behind\n")
    assert survived == 8
    assert with_work


@pytest.mark.parametrize("system", ["bart", "qwen"], indirect=True)
def test_two_processes_write_the_bytes_of_one(system):
    ended(start("stages.generate", system))
    whole = outputs()
    forget()
    for process in start_together(2, "stages.generate", system):
        ended(process)
    assert outputs() == whole
