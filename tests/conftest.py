"""What the tests share: a project of their own to run stages in, and a T5 that takes milliseconds."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LC_ALL"] = "C.UTF-8"  # commands answer in Spanish where the locale is Spanish
os.environ["RESUMEN_THREADS"] = "1"  # equal bytes are promised at one thread count
os.environ["OMP_NUM_THREADS"] = "1"  # two workers of pytest with two threads each take several times as long

import gc

gc.disable()  # until all is collected: the imports make a million objects that stay

import copy
import json
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from resumen.runtime.cli import run
from resumen.runtime.paths import MINIATURE_WEIGHTS
from resumen.schema.jsonl import write_jsonl
from resumen.schema.params import load_params, read_yaml
from resumen.schema.rows import RAW, read_table
from resumen.schema.sections import FinetuneParams
from stages.weights import unpack
from tests.helpers.absent import Gone
from tests.helpers.clone import KEPT_CHECKPOINTS, copied, finished_clone, small_clone
from tests.helpers.hostile import CANARY, PAYLOAD
from tests.helpers.hub import Hub
from tests.helpers.paths import ROOT
from tests.helpers.project import NEWS, OUTPUTS, READ_BESIDE_THE_CODE, SCRIPT, SMALL, STAGES
from tests.helpers.sources import CHECKPOINTS, serve_mlsum
from tests.helpers.training import QUICK, TRAINING, outputs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-private",
        action="store_true",
        help="take away what is private to PyTorch; the fallbacks of resumen/model/private.py have to do",
    )


@pytest.fixture(scope="session", autouse=True)
def without_private(request: pytest.FixtureRequest) -> Iterator[None]:
    """Under --without-private, a PyTorch without its private parts."""
    with pytest.MonkeyPatch.context() as patch:
        if request.config.getoption("--without-private"):
            patch.setattr(torch.ops, "mkldnn", Gone())
            patch.delattr("torch.distributed.run.config_from_args")
        yield


def pytest_collection_finish() -> None:
    """Leave what the imports made out of garbage collection; with torch it takes 0.3 s each time."""
    gc.freeze()
    gc.enable()


Run = Callable[..., None]  # a stage's main and its arguments


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with all that the stages read beside their code, as the working directory."""
    for name in READ_BESIDE_THE_CODE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "miniatures").symlink_to(ROOT / "miniatures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    return tmp_path


PARSED: dict[str, Any] = {}  # what each text of a params.yaml holds: reading one takes 50 ms


@pytest.fixture
def set_params(project) -> Callable[[dict[str, Any]], None]:
    """A function that sets keys of the project's params.yaml, as `dvc exp run -S` does; ... removes one."""
    path = project / "params.yaml"

    def change(values: dict[str, Any]) -> None:
        text = path.read_text(encoding="utf-8")
        if text not in PARSED:
            PARSED[text] = read_yaml(path)
        params = copy.deepcopy(PARSED[text])
        for name, value in values.items():
            *sections, key = name.split(".")
            index = params
            for section in sections:
                index = index[section]
            if value is ...:
                del index[key]
            else:
                index[key] = copy.deepcopy(value)
        text = yaml.dump(params, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        PARSED[text] = params

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
        result = [path for folder in OUTPUTS for path in (project / folder).rglob("*")]
        return {path: path.read_bytes() for path in result if path.is_file()}

    def call(main: Callable[[], None], *argv: str) -> str:
        before = outputs()
        with pytest.raises(SystemExit) as stopped:
            runs(main, *argv)
        message = stopped.value.code  # a text: Python prints it to stderr and exits with 1
        assert isinstance(message, str)
        lines = message.split("\n")  # a fault each
        assert all(line.startswith("error: ") for line in lines)
        assert "Traceback" not in message
        assert outputs() == before
        return "\n".join(line.removeprefix("error: ") for line in lines)

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
    """The folder of the shipped vocabulary, with the letters that T5 lacks."""
    return ROOT / "miniatures/weights"


@pytest.fixture(scope="session")
def spiece(tmp_path_factory) -> Path:
    """A small spiece.model in T5's layout: <pad>, </s>, <unk>, no sentinels."""
    import sentencepiece

    path = tmp_path_factory.mktemp("spiece") / "spiece.model"
    with path.open("wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([text for pair in NEWS for text in pair]),
            model_writer=out,
            vocab_size=200,
            hard_vocab_limit=False,
            character_coverage=1.0,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            pad_piece="<pad>",
            num_threads=1,
            minloglevel=2,
        )
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, vocabulary) -> dict[str, Path]:
    """Folders with a random T5 of width 16: "tied" as T5 v1.0, "untied" as Flan-T5, "mt5" and "umt5".

    The first two have one layer, the others two.
    """
    import torch
    from safetensors import safe_open

    from tests.helpers.reference import CLASSES

    content = json.loads((vocabulary / "tokenizer.json").read_text(encoding="utf-8"))
    num_pieces = len(content["model"]["vocab"])
    folders = {}
    kinds = {"tied": "t5-small", "untied": "flan-small", "mt5": "flan-small", "umt5": "flan-small"}
    for kind, role in kinds.items():
        with safe_open(vocabulary / f"{role}.safetensors", framework="np") as file:
            config = json.loads(file.metadata()["config"])
        config |= {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2}
        num_layers = 2 if kind in CLASSES else 1
        config |= {
            "model_type": kind if kind in CLASSES else "t5",
            "num_layers": num_layers,
            "num_decoder_layers": num_layers,
            "vocab_size": num_pieces + 28,  # T5 has 28 to spare
            "tie_word_embeddings": kind == "tied",
        }
        config_class, model_class = CLASSES[config["model_type"]]
        torch.manual_seed(13)
        model = model_class(config_class(**config))
        if kind != "tied":
            model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight))
        folders[kind] = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folders[kind])
        (folders[kind] / "config.json").write_text(json.dumps(config), encoding="utf-8")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(vocabulary / name, folders[kind] / name)
    return folders


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, Path]:
    """Folders with a tiny model of each kind that transformers computes."""
    from tests.helpers.models import KINDS, make

    folder, texts = tmp_path_factory.mktemp("models"), [text for pair in NEWS for text in pair]
    return {kind: make(kind, folder / kind, texts) for kind in KINDS}


@pytest.fixture
def news(project) -> dict[str, list[dict[str, str]]]:
    """data/raw of the project, 24 + 8 + 6 rows of news, and what it holds."""
    from resumen.schema.rows import RAW, TEXTS, write_table

    splits = {}
    for split, count in (("train", 24), ("validation", 8), ("test", 6)):
        rows = []
        for number in range(1, count + 1):
            text, summary = NEWS[number % len(NEWS)]
            row = {"id": f"{split}-{number}", "text": f"{text} Pasó el día {number}.", "summary": summary}
            rows.append(dict.fromkeys(TEXTS, "") | row | {"topic": "sociedad"})
        write_table(project / f"data/raw/{split}.parquet", rows, RAW)
        splits[split] = rows
    return splits


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Path:
    """Where what a stage made of `news` is kept, to be copied."""
    return tmp_path_factory.mktemp("kept")


def once(folder: Path, make: Callable[[], object], names: Iterable[str] = ("data", "metrics")) -> None:
    """Let folders of the project be what `make` leaves in them; it is called once for each params.yaml."""
    kept = folder.with_name(f"{folder.name}-{sha256(Path('params.yaml').read_bytes()).hexdigest()[:16]}")
    if kept.exists():
        shutil.copytree(kept, Path(), dirs_exist_ok=True)
        return
    make()
    partial = kept.with_suffix(".partial")
    for name in names:
        if Path(name).exists():
            shutil.copytree(name, partial / name)
    partial.rename(kept)


@pytest.fixture
def formatted(news, kept, runs) -> dict[str, list[dict[str, str]]]:
    """data/formatted of the project, and the raw rows behind it."""
    from stages.format import main

    once(kept / "formatted", lambda: runs(main))
    return news


@pytest.fixture
def base(project, tiny) -> Path:
    """The untied tiny T5 as the base of the project's fine-tuning."""
    folder = project / "models/pretrained/flan-small"
    shutil.copytree(tiny["untied"], folder)
    return folder


@pytest.fixture
def tokenized(formatted, base, set_params, kept, runs) -> dict[str, list[dict[str, str]]]:
    """data/tokenized/flan-small at 60 source and 24 target tokens, and the raw rows behind it."""
    from stages.tokenize import main

    set_params({"tokenize.source_tokens": 60, "tokenize.target_tokens": 24})
    once(kept / "tokenized", lambda: runs(main, "flan-small"))
    return formatted


@pytest.fixture
def small_run(project, kept, base, set_params, runs) -> Path:
    """The project after every stage; a system made elsewhere writes a script."""
    set_params(SMALL)
    once(kept / "small_run", lambda: run_every_stage(runs), (*OUTPUTS, "others"))
    return project


@pytest.fixture
def runs_after_fetch(project, base, runs) -> Callable[[], None]:
    """A function that runs every stage but `fetch`."""
    return lambda: run_every_stage(runs, ("format", "extract"))


def run_every_stage(runs: Run, first: Sequence[str] = ("fetch", "format", "extract")) -> None:
    stage = {name: import_module(f"stages.{name}").main for name in STAGES}
    for name in first:
        runs(stage[name])
    for name in ("tokenize", "finetune"):
        runs(stage[name], "flan-small")
    rows = read_table(Path("data/raw/test.parquet"), RAW.names)
    write_jsonl(Path("others/gpt.jsonl"), ({"id": row["id"], "prediction": SCRIPT} for row in rows))
    for system in SMALL["systems"]:
        runs(stage["generate"], system)
        runs(stage["probe"], system)
    runs(stage["evaluate"])
    runs(stage["report"])


@pytest.fixture
def training(tokenized, set_params, caplog):
    """A project in which fine-tuning takes seconds, with dropout and accumulation."""
    caplog.set_level(logging.INFO)
    set_params(TRAINING)


@pytest.fixture
def trained(training, kept, runs) -> dict[str, bytes]:
    """The project after that training, as the next run finds it, and the bytes that it wrote."""
    from stages.finetune import main

    once(kept / "trained", lambda: runs(main, "flan-small"), ("models/finetuned", "metrics", ".resumen"))
    return outputs()


@pytest.fixture
def quick(tokenized, set_params):
    """A function that sets `finetune` for a run of seconds, changed by its arguments, and returns it."""

    def choose(**changes):
        set_params({f"finetune.{key}": value for key, value in {**QUICK, **changes}.items()})
        return load_params(FinetuneParams, "finetune")

    return choose


@pytest.fixture
def cut_alike(tokenized, set_params, runs):
    """Tokenized rows of one length, as nearly all of MLSUM's are."""
    from stages.tokenize import main

    set_params({"tokenize.source_tokens": 16})
    runs(main, "flan-small")


@pytest.fixture
def nothing_ran(tmp_path) -> Iterator[None]:
    """Afterwards, hold that no payload of a hostile file ran."""
    yield
    assert not (tmp_path / CANARY).exists(), "a payload ran"


@pytest.fixture
def own(project, tiny, set_params) -> Path:
    """A model folder from elsewhere, as checkpoint `own` and as system `own`."""
    folder = shutil.copytree(tiny["untied"], project / "own")
    (folder / "modeling_own.py").write_text(PAYLOAD)
    set_params({"checkpoints.own": {"folder": "own"}, "systems.own": {"from": "own"}})
    return folder


@pytest.fixture
def use(set_params) -> Callable[[str], None]:
    """A function that makes a file the user's own."""
    return lambda path: set_params({"profile": "files", "profiles.files.data.path": path})


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """A scaled-down clone in which everything has run once, committed, of which all workers have one."""
    base = tmp_path_factory.getbasetemp()
    return finished_clone((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished")


@pytest.fixture(scope="module")
def clone(finished_run, tmp_path_factory) -> Path:
    """A copy of it, of the tests of a module; each leaves it as it was."""
    return copied(finished_run, tmp_path_factory.mktemp("clone") / "clone")


@pytest.fixture(scope="module")
def fresh_clone(tmp_path_factory) -> Path:
    """A clone with fewer systems than the real one; all else is what a user has."""
    return small_clone(tmp_path_factory.mktemp("real") / "clone", small={})


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Iterator[Hub]:
    """A hub with the miniatures under the names and at the commits of params.yaml."""
    with Hub() as server:
        for name in KEPT_CHECKPOINTS:
            folder = tmp_path_factory.mktemp(name) / "model"
            unpack(ROOT / f"miniatures/weights/{name}.safetensors", folder)
            files = {path.name: path for path in folder.iterdir()}
            server.add(CHECKPOINTS[name]["repo"], CHECKPOINTS[name]["revision"], files)
        serve_mlsum(server, tmp_path_factory.mktemp("mlsum"))
        yield server
    assert not server.unhandled


@pytest.fixture(scope="module")
def corpus():
    """Thirty of the stories that the miniatures learn from."""
    from tokenizers import Tokenizer

    from miniatures.corpus import Corpus
    from resumen.news.stories import TRAINING_SEED, stories

    tokenizer = Tokenizer.from_file(str(ROOT / MINIATURE_WEIGHTS / "tokenizer.json"))
    return Corpus(stories(30, TRAINING_SEED), tokenizer)


@pytest.fixture
def asked_at(monkeypatch):
    """A function that lets the next run be asked to end in the middle of a step, from 0, or in no step."""
    import resumen.training.finetuning

    plain = resumen.training.finetuning.fine_tune

    def choose(wanted):
        def ask(step):
            if step == wanted:
                signal.raise_signal(signal.SIGTERM)

        asking = partial(plain, before_step=ask)
        monkeypatch.setattr("resumen.training.finetuning.fine_tune", asking)

    return choose
