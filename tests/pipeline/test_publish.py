"""Publish: what goes out is whole, is what the metrics say, and holds nothing that runs."""

import shutil
from importlib import import_module
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from resumen.runtime.files import md5_of
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.schema.params import read_yaml
from resumen.tools.publish import main
from stages.report import main as report
from tests.helpers.hub import ALLOWED, Hub, environment_of
from tests.helpers.paths import ROOT
from tests.helpers.processes import start

RUN = {
    "finetune": ([], ["models/finetuned/flan-small"]),
    "generate@finetuned": (["models/finetuned/flan-small"], ["data/predictions/finetuned.jsonl"]),
    "evaluate": (["data/predictions"], ["metrics/systems", "metrics/evaluation.json"]),
    "report": (["data/predictions", "metrics/evaluation.json"], ["reports/model_card.md"]),
}


def lock(*stages, known_runs=RUN):
    """Record in dvc.lock what these stages read and wrote, as `dvc repro` of them would."""
    path = Path("dvc.lock")
    known = read_yaml(path) if path.exists() else {"stages": {}}
    for stage in stages:
        deps, outs = (
            [{"path": name, "md5": md5_of(Path(name))} for name in side] for side in known_runs[stage]
        )
        known["stages"][stage] = {"deps": deps, "outs": outs}
    write_json(path, known)  # JSON is YAML


@pytest.fixture
def reported(small_run, runs):
    runs(report)
    lock(*RUN)
    return small_run


def test_a_folder_is_hashed_as_dvc_does():
    stages = read_yaml(ROOT / "dvc.lock")["stages"]
    recorded = {entry["path"]: entry["md5"] for entry in stages["evaluate"]["outs"]}
    for name in ("metrics/systems", "metrics/evaluation.json"):
        assert md5_of(ROOT / name) == recorded[name]


def test_a_folder_holds_the_model_and_its_card(reported, runs):
    runs(main, "--to", "./out/mine")
    assert {path.name for path in Path("out/mine").iterdir()} == {
        *(path.name for path in Path("models/finetuned/flan-small").iterdir()),
        "README.md",
    }
    AutoModelForSeq2SeqLM.from_pretrained("out/mine")
    AutoTokenizer.from_pretrained("out/mine")
    card = ModelCard.load("out/mine/README.md")
    assert card.data.license == "apache-2.0"
    assert 'from_pretrained("mine")' in card.text
    scores = read_json(Path("metrics/systems/finetuned.json"))
    found = {result.metric_name: result for result in card.data.eval_results}
    assert {name: found[name].metric_value for name in found} == {name: scores[name] for name in found}
    (intervals,) = [
        row for row in read_json(Path("metrics/evaluation.json"))["systems"] if row["system"] == "finetuned"
    ]
    for name, result in found.items():
        assert result.metric_args == {
            "lower": intervals[name]["lower"],
            "upper": intervals[name]["upper"],
            "confidence": 0.95,
        }


def test_the_code_of_the_card_runs_beside_the_folder(reported, runs, monkeypatch, capsys):
    runs(main, "--to", "./out/mine")
    code = ModelCard.load("out/mine/README.md").text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir("out")
    capsys.readouterr()
    output = {}
    exec(code.replace('article = "…"', 'article = "Llueve en Logroño."'), output)  # noqa: S102  ours
    assert capsys.readouterr().out.endswith("\n")
    assert output["made"].shape[1] <= 4  # the start token, and max_new_tokens


def test_a_dry_run_says_what_would_go_and_sends_nothing(reported, runs, caplog):
    caplog.set_level("INFO")
    runs(main, "--to", "me/resumen", "--dry-run")
    assert (
        "the repository me/resumen on the hub (a new one is public unless --private is given)" in caplog.text
    )
    assert "dry run: config.json, " in caplog.text
    assert "this is a miniature" in caplog.text
    caplog.clear()
    runs(main, "--to", "me/resumen", "--dry-run", "--private")
    assert "the repository me/resumen on the hub (a new one is private)" in caplog.text
    caplog.clear()
    runs(main, "--to", "./me/resumen", "--dry-run")
    assert "to the folder me/resumen" in caplog.text
    assert not Path("me").exists()


NO_PLACE = [
    ("me/-x", "--to: me/-x: no name of a repository: Repo id must use"),
    (
        "me/re..x",
        "--to: me/re..x: no name of a repository: Cannot have -- or .. in repo_id: 'me/re..x'; for a ",
    ),
    (
        "models/mine",
        "--to: models/mine: would be a repository on the hub, and models is a folder; for a folder",
    ),
]


@pytest.mark.parametrize(("to", "message"), NO_PLACE)
def test_what_is_neither_a_repository_nor_clearly_a_folder_is_refused(reported, fails, to, message):
    said = fails(main, "--to", to, "--dry-run")
    assert said.startswith(message)
    assert said.endswith(f"for a folder write ./{to}")


def test_a_folder_is_not_private(reported, fails):
    assert fails(main, "--to", "./out", "--private").startswith("--private: is said of a repository, got the")


def test_a_repository_is_not_reached_offline(reported, fails):
    assert fails(main, "--to", "me/resumen").startswith("me/resumen: ")
    assert not list(Path(".cache").rglob("model.safetensors"))


def test_a_folder_that_is_there_is_left_alone(reported, fails):
    message = "--to: folder models is there already; name a new folder, or remove it"
    assert fails(main, "--to", "./models") == message


def test_a_card_with_other_numbers_than_the_metrics_is_refused(reported, fails):
    path = Path("metrics/evaluation.json")
    for name, bound in (("rougeL", "mean"), ("rouge2", "upper")):
        evaluation = read_json(path)
        next(row for row in evaluation["systems"] if row["system"] == "finetuned")[name][bound] = 98.0
        changed = path.read_bytes()
        write_json(path, evaluation)
        lock("evaluate", "report")
        said = fails(main, "--to", "./out")
        assert said.endswith("metrics/evaluation.json says 98.0; run `dvc repro` first")
        assert not Path("out").exists()
        path.write_bytes(changed)


def test_another_fine_tuning_is_published_with_a_card_of_its_own(small_run, set_params, runs, fails):
    """It is what `finetune@other` would leave."""
    for folder in ("models/finetuned", "data/tokenized"):
        shutil.copytree(f"{folder}/flan-small", f"{folder}/other")
    for kind in ("finetune", "tokenize", "curves"):
        shutil.copyfile(f"metrics/{kind}/flan-small.json", f"metrics/{kind}/other.json")
    set_params(
        {
            "finetunings": {name: {"base": "flan-small"} for name in ("flan-small", "other")},
            "systems.other-one": {"from": "models/finetuned/other", "max_new_tokens": 2},
        }
    )
    for stage, *argv in (("generate", "other-one"), ("probe", "other-one"), ("evaluate",), ("report",)):
        runs(import_module(f"stages.{stage}").main, *argv)
    other = {
        "finetune": ([], ["models/finetuned/other"]),
        "generate@other-one": (["models/finetuned/other"], ["data/predictions/other-one.jsonl"]),
    }
    lock(*RUN, *other, known_runs=RUN | other)
    runs(main, "--to", "./out", "--finetuning", "other")
    card = ModelCard.load("out/README.md")
    scores = read_json(Path("metrics/systems/other-one.json"))
    assert {result.metric_name: result.metric_value for result in card.data.eval_results} == {
        name: scores[name] for name in ("rouge1", "rouge2", "rougeL")
    }
    assert 'from_pretrained("out")' in card.text
    assert "max_new_tokens=2" in card.text
    message = "params.yaml: finetunings.othe: no such fine-tuning; did you mean other?"
    assert fails(main, "--to", "./more", "--finetuning", "othe") == message


def swap_weights():
    """Put another model's weights, which load as well, in the place of ours."""
    shutil.copyfile(
        "models/pretrained/flan-small/model.safetensors", "models/finetuned/flan-small/model.safetensors"
    )


def test_other_weights_than_those_that_were_scored_are_refused(reported, fails):
    swap_weights()
    message = "models/finetuned/flan-small: not what `generate@finetuned` read when reports/model_card.md was"
    assert (
        fails(main, "--to", "./out") == f"{message} made, so the card tells of another model; run `dvc repro`"
    )
    lock("finetune")  # fine-tuned again, and nothing after it
    assert fails(main, "--to", "./out").startswith(message)
    assert not Path("out").exists()


def test_a_card_from_before_the_last_summaries_or_scores_is_refused(reported, fails, runs, write):
    swap_weights()
    predictions = Path("data/predictions/finetuned.jsonl")
    predictions.write_bytes(predictions.read_bytes() + b"\n")
    lock("finetune", "generate@finetuned")
    assert fails(main, "--to", "./out").startswith("data/predictions: not what `evaluate` read")
    lock("evaluate")
    assert fails(main, "--to", "./out").startswith("data/predictions: not what `report` read")
    lock("report")
    runs(main, "--to", "./out")
    write("reports/model_card.md", Path("reports/model_card.md").read_text(encoding="utf-8") + "Perfect.\n")
    assert fails(main, "--to", "./more").startswith("reports/model_card.md: not what `report` wrote")


def test_a_run_that_is_not_recorded_is_refused(reported, fails):
    write_json(Path("dvc.lock"), {})
    assert fails(main, "--to", "./out").startswith(
        "models/finetuned/flan-small: not what `generate@finetuned` read"
    )
    Path("dvc.lock").unlink()
    assert fails(main, "--to", "./out").startswith("dvc.lock: not found")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "training_args.bin",
            b"pickle",
            "models/finetuned/flan-small: holds training_args.bin, which is not published",
        ),
        ("model.safetensors", b"\x08" * 40, "models/finetuned/flan-small/model.safetensors: damaged: "),
        ("config.json", None, "models/finetuned/flan-small: lacks config.json; `dvc repro` makes them"),
    ],
)
def test_a_folder_that_is_not_as_it_was_made_is_refused(reported, fails, name, content, message):
    path = Path("models/finetuned/flan-small") / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    assert fails(main, "--to", "./out").startswith(message)


# ---- a real push, to a hub of our own on loopback


@pytest.fixture
def hub():
    with Hub() as server:
        yield server
    assert not server.unhandled


@pytest.fixture
def push(reported, hub):
    """A function that publishes to me/resumen in a process of its own, and returns exit code and stderr."""

    def call(*options, token=ALLOWED):
        command = ("resumen", "publish", "--to", "me/resumen", *options)
        process = start(
            *command, environment=environment_of(reported, hub), HF_TOKEN=token, HF_HUB_DISABLE_XET="1"
        )
        _, message = process.communicate()
        assert "Traceback" not in message
        assert not list(Path(".cache").rglob("model.safetensors"))
        return process.returncode, message

    return call


def pushed(hub):
    """Return what the repository holds at main, by path, without what every new one has."""
    repo = hub.repos["models", "me/resumen"]
    files = repo.commits[repo.branches["main"]]
    return {path: file.content for path, file in files.items() if path != ".gitattributes"}


def test_the_files_arrive_whole_and_a_second_push_of_the_same_adds_nothing(push, hub):
    code, message = push()
    assert code == 0, message
    assert "pushed to the repository me/resumen, public: http" in message
    result = pushed(hub)
    card = result.pop("README.md").decode()
    assert result == {path.name: path.read_bytes() for path in Path("models/finetuned/flan-small").iterdir()}
    assert 'from_pretrained("me/resumen")' in card
    assert ModelCard(card).data.license == "apache-2.0"
    assert list(hub.objects.values()) == [result["model.safetensors"]]
    before = dict(hub.repos["models", "me/resumen"].branches)
    code, message = push()
    assert code == 0, message
    assert hub.repos["models", "me/resumen"].branches == before
    assert sum(request.startswith("PUT /lfs/") for request in hub.requests) == 1


def test_a_private_repository_is_made_private_and_a_public_one_is_not_taken_for_it(push, hub):
    code, message = push("--private")
    assert code == 0, message
    assert "me/resumen, private: http" in message
    repo = hub.repos["models", "me/resumen"]
    assert repo.private
    repo.private, commits = False, len(repo.commits)
    code, message = push("--private")
    wanted = (
        "error: me/resumen: there already, and public; make it private on the hub, or leave --private out"
    )
    assert (code, message.splitlines()[-1]) == (1, wanted)
    assert len(repo.commits) == commits


def test_a_token_that_may_not_write_is_refused_in_a_line(push, hub):
    code, message = push(token="hf_another")
    wanted = "error: me/resumen: the hub answered 401; set HF_TOKEN to a token that may write to it"
    assert (code, message.splitlines()[-1]) == (1, wanted)
    assert not hub.repos


FAULTS = [
    ("PUT /lfs/", 400, "error: me/resumen: Error while uploading 'model.safetensors' to the Hub. ("),
    ("POST .*/commit/main", 400, "error: me/resumen: the hub answered "),
    (
        "POST .*/preupload/main",
        403,
        "error: me/resumen: the hub answered 403; set HF_TOKEN to a token that may",
    ),
]


@pytest.mark.parametrize(("which", "status", "message"), FAULTS)
def test_a_push_that_fails_is_said_in_a_line_and_succeeds_when_it_is_repeated(
    push, hub, which, status, message
):
    hub.fail(which, status=status)
    code, said = push()
    assert code == 1
    assert said.splitlines()[-1].startswith(message)
    assert pushed(hub) == {}
    code, said = push()
    assert code == 0, said
    assert (
        pushed(hub)["model.safetensors"] == Path("models/finetuned/flan-small/model.safetensors").read_bytes()
    )
