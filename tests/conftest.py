"""What the tests share: a project of their own to run stages in, and a T5 that takes milliseconds."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RESUMEN_THREADS"] = "1"  # equal bytes are promised at one thread count

import json
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.shared.cli import run
from stages.shared.files import RAW, read_table

ROOT = Path(__file__).resolve().parent.parent
READ_BESIDE_THE_CODE = (
    "params.yaml",
    "data/example.csv",
    "stages/probes.yaml",
    "stages/templates.yaml",
    "stages/report.html.j2",
    "stages/report.js",
    "stages/model_card.md.j2",
)
OUTPUTS = ("data", "models", "metrics", "reports")

Run = Callable[..., None]  # a stage's main and its arguments


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with all that the stages read beside their code, as the working directory."""
    for name in READ_BESIDE_THE_CODE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "stages/miniatures").symlink_to(ROOT / "stages/miniatures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    return tmp_path


@pytest.fixture
def set_params(project) -> Callable[[dict[str, Any]], None]:
    """A function that sets keys of the project's params.yaml, as `dvc exp run -S` does; ... removes one."""

    def change(values: dict[str, Any]) -> None:
        yaml = YAML()
        params = yaml.load(project / "params.yaml")
        for name, value in values.items():
            *sections, key = name.split(".")
            place = params
            for section in sections:
                place = place[section]
            if value is ...:
                del place[key]
            else:
                place[key] = value
        yaml.dump(params, project / "params.yaml")

    return change


@pytest.fixture
def runs(project, monkeypatch) -> Run:
    """A function that runs a stage's main as its command line does, in this process."""

    def call(main: Callable[[], None], *argv: str) -> None:
        monkeypatch.setattr(sys, "argv", [main.__module__, *argv])
        run(main)

    return call


@pytest.fixture
def fails(project, runs) -> Callable[..., str]:
    """A function that runs a stage's main, which must fail as a user's fault does; returns the message.

    It is one line, the exit code is not zero, and no output has changed.
    """

    def outputs() -> dict[Path, bytes]:
        found = [path for folder in OUTPUTS for path in (project / folder).rglob("*")]
        return {path: path.read_bytes() for path in found if path.is_file()}

    def call(main: Callable[[], None], *argv: str) -> str:
        before = outputs()
        with pytest.raises(SystemExit) as stopped:
            runs(main, *argv)
        message = stopped.value.code  # a text: Python prints it to stderr and exits with 1
        assert isinstance(message, str)
        assert message.startswith("error: ")
        assert "\n" not in message
        assert "Traceback" not in message
        assert outputs() == before
        return message.removeprefix("error: ")

    return call


@pytest.fixture
def write(project) -> Callable[[str, str | bytes], Path]:
    """A function that writes a file of the project, its folder too."""

    def put(name: str, content: str | bytes) -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture(scope="session")
def vocabulary() -> Path:
    """The folder of the shipped vocabulary, with T5's own hole in it."""
    return ROOT / "stages/miniatures"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, vocabulary) -> dict[str, Path]:
    """Two folders with a random T5 of one layer and width 16: "tied" as T5 v1.0, "untied" as Flan-T5."""
    import torch
    from safetensors import safe_open
    from transformers import T5Config, T5ForConditionalGeneration

    content = json.loads((vocabulary / "tokenizer.json").read_text(encoding="utf-8"))
    num_pieces = len(content["model"]["vocab"])
    folders = {}
    for kind, role in (("tied", "t5-small"), ("untied", "flan-small")):
        with safe_open(vocabulary / f"{role}.safetensors", framework="np") as file:
            config = json.loads(file.metadata()["config"])
        config |= {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2}
        config |= {
            "num_layers": 1,
            "num_decoder_layers": 1,
            "vocab_size": num_pieces + 28,
        }  # T5 has 28 to spare
        torch.manual_seed(13)
        model = T5ForConditionalGeneration(T5Config(**config))
        if kind == "untied":
            model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight))
        folders[kind] = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folders[kind])
        (folders[kind] / "config.json").write_text(json.dumps(config), encoding="utf-8")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(vocabulary / name, folders[kind] / name)
    return folders


# Rows as `fetch` writes them: every letter that T5 cannot spell, a quote, a line end, a long one.
NEWS = [
    (
        "El ayuntamiento de Logroño compró doce autobuses. Llegarán en otoño, según Íñiga Núñez.",
        "Logroño compra doce autobuses.",
    ),
    (
        "¿Cuánta agua cabe en un tejado? En Ávila lo miden.\nLos niños riegan el huerto con ella.",
        "Un colegio de Ávila mide la lluvia.",
    ),
    (
        "«Hacía años que no veíamos algo así», dice Úrsula Ordóñez. La helada dañó las flores.",
        "La helada reduce la cosecha de Úrsula Ordóñez.",
    ),
    (
        "¡Nunca había llegado tan alto! El equipo de Ourense empató en León. Óscar Yáñez marcó. "
        "Más de mil aficionados viajaron con él. El gol llegó en el último minuto.",
        "El Ourense sube de categoría.",
    ),
]


@pytest.fixture
def news(project) -> dict[str, list[dict[str, str]]]:
    """data/raw of the project, 24 + 8 + 6 rows of news, and what it holds."""
    from stages.shared.files import RAW, write_table

    splits = {}
    for split, count in (("train", 24), ("validation", 8), ("test", 6)):
        rows = []
        for number in range(1, count + 1):
            text, summary = NEWS[number % len(NEWS)]
            row = {"id": f"{split}-{number}", "text": f"{text} Pasó el día {number}.", "summary": summary}
            rows.append(dict.fromkeys(RAW.names, "") | row | {"topic": "sociedad"})
        write_table(project / f"data/raw/{split}.parquet", rows, RAW)
        splits[split] = rows
    return splits


@pytest.fixture
def formatted(news, runs) -> dict[str, list[dict[str, str]]]:
    """data/formatted of the project, and the raw rows behind it."""
    from stages.format import main

    runs(main)
    return news


@pytest.fixture
def base(project, tiny) -> Path:
    """The untied tiny T5 as the base of the project's fine-tuning."""
    folder = project / "models/pretrained/flan-small"
    shutil.copytree(tiny["untied"], folder)
    return folder


@pytest.fixture
def tokenized(formatted, base, set_params, runs) -> dict[str, list[dict[str, str]]]:
    """data/tokenized of the project at 60 source and 24 target tokens, and the raw rows behind it."""
    from stages.tokenize import main

    set_params({"tokenize.source_tokens": 60, "tokenize.target_tokens": 24})
    runs(main)
    return formatted


SCRIPT = "<script>alert('hola')</script>"
STAGES = ("fetch", "format", "tokenize", "finetune", "extract", "generate", "probe", "evaluate")
SMALL = {
    "data.train": 8,
    "data.validation": 4,
    "data.test": 4,
    "tokenize.source_tokens": 40,
    "tokenize.target_tokens": 20,
    "finetune.epochs": 1,
    "finetune.max_new_tokens": 3,
    "generate.max_new_tokens": 3,
    "probe.generated": 12,
    "evaluate.bootstrap_samples": 50,
    "systems": {
        "flan-small": {"from": "models/pretrained/flan-small"},
        "finetuned": {"from": "models/finetuned", "num_beams": 2},
        "gpt": {"from": "others/gpt.jsonl"},
    },
}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Where a whole small run is kept, once it was made."""
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def small_run(project, finished, base, write, set_params, runs):
    """The project after every stage but report; a system made elsewhere writes a script."""
    set_params(SMALL)
    if finished.exists():
        for folder in ("data", "metrics", "models", "others"):
            shutil.copytree(finished / folder, project / folder, dirs_exist_ok=True)
        return project
    stage = {name: import_module(f"stages.{name}").main for name in STAGES}
    for name in ("fetch", "format", "tokenize", "finetune", "extract"):
        runs(stage[name])
    ids = [row["id"] for row in read_table(Path("data/raw/test.parquet"), RAW.names)]
    write("others/gpt.jsonl", "".join(json.dumps({"id": name, "prediction": SCRIPT}) + "\n" for name in ids))
    for system in SMALL["systems"]:
        runs(stage["generate"], system)
        runs(stage["probe"], system)
    runs(stage["evaluate"])
    for folder in ("data", "metrics", "models", "others"):
        shutil.copytree(project / folder, finished / folder)
    return project
