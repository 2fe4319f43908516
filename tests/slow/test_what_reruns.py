"""What re-runs after a change, and what does not, with the real dvc.yaml."""

import shutil
import time

import pytest

from resumen.schema.jsonl import write_jsonl
from resumen.schema.rows import SPLITS, read_table
from tests.helpers.clone import KEPT_CHECKPOINTS, KEPT_SYSTEMS, ran, repro, run, set_params, small_clone

GENERATE = {f"generate@{name}" for name in KEPT_SYSTEMS}
PROBE = {f"probe@{name}" for name in KEPT_SYSTEMS}
FINETUNED = {"generate@finetuned", "probe@finetuned"}
END = {"evaluate", "report"}
TOKENIZE = "tokenize@flan-small"
BRANCH = {"finetune@flan-small", *FINETUNED, *END}

# What changes, and exactly what runs. A system with a template of its own still runs when
# format.template changes: a foreach of DVC cannot have a dep for some entries alone.
ROWS = {
    "nothing": ({}, set()),
    "finetune": ({"finetune.label_smoothing": 0.1}, BRANCH),
    "finetunings.flan-small.base": ({"finetunings.flan-small.base": "t5-base"}, {TOKENIZE, *BRANCH}),
    "tokenize for the fine-tuning": ({"tokenize.spell_spanish": False}, {TOKENIZE, *BRANCH}),
    "tokenize for every system": ({"tokenize.source_tokens": 64}, {TOKENIZE, *BRANCH, *GENERATE}),
    "generate": ({"generate.max_new_tokens": 10}, {*GENERATE, *END}),
    "one system": (
        {"systems.t5-base-prefix.template": "Summary: {text}"},
        {"generate@t5-base-prefix", "probe@t5-base-prefix", *END},
    ),
    "format.template": (
        {"format.template": "Resumen breve:\n\n{text}"},
        {"format", TOKENIZE, *BRANCH, *GENERATE},
    ),
    "format.templates": ({"format.templates": "flan"}, {"format", TOKENIZE, *BRANCH, *GENERATE}),
    "probe": ({"probe.generated": 9}, {*PROBE, *END}),
    "evaluate": ({"evaluate.bootstrap_samples": 300}, END),
    "another profile's values": ({"profiles.course.finetune.epochs": 9}, set()),
}


@pytest.fixture
def back(clone):
    """Afterwards, return to the committed state, and hold that nothing runs on the way."""
    yield
    run(clone, "git", "checkout", "--quiet", ".")
    assert repro(clone) == set()


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.usefixtures("back")
def test_a_change_runs_exactly_what_depends_on_it(clone, row):
    change, expected = ROWS[row]
    set_params(clone, change)
    assert repro(clone) == expected


@pytest.mark.usefixtures("back")
def test_the_probes_run_every_probe(clone):
    path = clone / "prompts/probes.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Logroño", "Burgos"), encoding="utf-8")
    assert repro(clone) == {*PROBE, *END}


def test_an_added_system_runs_alone_and_leaves_no_trace(clone):
    system = {"from": "models/pretrained/t5-base", "template": "resume: {text}"}
    set_params(clone, {"systems.t5-base-resume": system})
    assert repro(clone) == {"generate@t5-base-resume", "probe@t5-base-resume", *END}
    assert (clone / "metrics/systems/t5-base-resume.json").exists()
    run(clone, "git", "checkout", "--quiet", ".")
    assert repro(clone) == END  # its predictions lie in a folder that they read, until they remove them
    assert run(clone, "git", "status", "--porcelain") == ""


def test_a_system_added_with_a_new_checkpoint_runs_alone_and_leaves_no_trace(clone):
    shutil.copytree(clone / "models/pretrained/t5-base", clone / "own-model")
    own = {"checkpoints.own": {"folder": "own-model"}, "systems.own": {"from": "models/pretrained/own"}}
    set_params(clone, own)
    assert repro(clone) == {"weights@own", "generate@own", "probe@own", *END}
    assert (clone / "metrics/systems/own.json").exists()
    run(clone, "git", "checkout", "--quiet", ".")
    shutil.rmtree(clone / "own-model")
    assert repro(clone) == END
    assert run(clone, "git", "status", "--porcelain") == ""


@pytest.mark.usefixtures("back")
def test_a_removed_system_is_gone_from_the_metrics(clone):
    path = clone / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("  flan-small:\n    from: models/pretrained/flan-small\n", ""), encoding="utf-8"
    )
    assert repro(clone) == END
    assert not (clone / "metrics/systems/flan-small.json").exists()
    assert not (clone / "data/predictions/flan-small.jsonl").exists()


@pytest.mark.usefixtures("back")
def test_a_comment_runs_its_stage_and_no_more(clone):
    path = clone / "stages/extract.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    assert repro(clone) == {"extract"}


EVERYTHING = {
    "fetch",
    "format",
    "tokenize@flan-small",
    "finetune@flan-small",
    "extract",
    *GENERATE,
    *PROBE,
    *END,
}
WEIGHTS = {f"weights@{name}" for name in KEPT_CHECKPOINTS}
# A comment in a module, and exactly what runs: its outputs are equal, so nothing that follows does.
MODULES = {
    "resumen/runtime/cli.py": set(),
    "resumen/runtime/progress.py": set(),
    "resumen/tools/compare.py": set(),
    "resumen/page/report.js": {"report"},
    "resumen/scoring/bootstrap.py": {"evaluate", "report"},
    "resumen/text/words.py": EVERYTHING,
    "resumen/schema/sections.py": {*EVERYTHING, *WEIGHTS},
}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.usefixtures("back")
def test_a_comment_runs_the_stages_that_use_its_room(clone, module):
    path = clone / module
    sign = "//" if path.suffix == ".js" else "#"
    path.write_text(path.read_text(encoding="utf-8") + f"\n{sign} a comment\n", encoding="utf-8")
    assert repro(clone) == MODULES[module]


@pytest.mark.usefixtures("back")
def test_the_test_split_alone_runs_no_training(clone):
    """With a file for each split: a split of another size draws other embedded news for all of them."""
    folder = clone / "own"
    for split in SPLITS:
        rows = read_table(clone / f"data/raw/{split}.parquet", ["text", "summary"])
        write_jsonl(folder / f"{split}.jsonl", rows)
    sizes = {f"data.{split}": "all" for split in SPLITS}
    set_params(clone, {"profile": "files", "profiles.files.data.path": "own", **sizes})
    assert "finetune@flan-small" in repro(clone)
    rows = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "test.jsonl").write_text("".join(rows[:-1]), encoding="utf-8")
    assert repro(clone) == {"fetch", "format", "tokenize", "extract", *GENERATE, *END}
    shutil.rmtree(folder)


@pytest.mark.usefixtures("back")
def test_the_users_file_runs_fetch_and_what_follows(clone):
    shares = {"data.train": 0.6, "data.validation": 0.2, "data.test": 0.2}
    set_params(clone, {"profile": "files", **shares, "finetune.batch_size": 4})
    everything = repro(clone)
    assert {"fetch", "format", "tokenize", "extract", *BRANCH, *GENERATE} <= everything
    path = clone / "data/example.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(". ", "! "), encoding="utf-8")
    again = repro(clone)
    assert again == {"fetch", "format", "extract", "tokenize", *BRANCH, *GENERATE}
    assert repro(clone) == set()


def test_a_sweep_runs_from_the_queue(clone):
    run(clone, "dvc", "exp", "run", "--queue", "-S", "finetune.seed=1,2")
    run(clone, "dvc", "queue", "start", "--jobs", "1")
    wait_for_queue(clone)
    message = run(clone, "dvc", "exp", "show", "--csv", "--drop", ".*", "--keep", "finetune.seed")
    assert message.count("Failed") == 0
    run(clone, "git", "checkout", "--quiet", ".")


def wait_for_queue(clone):
    """Wait until nothing of the queue is queued or running."""
    for _ in range(300):
        status = run(clone, "dvc", "queue", "status")
        if "Queued" not in status and "Running" not in status:
            assert status.count("Success") == 2, status
            return
        time.sleep(1)
    raise AssertionError(f"the queue did not end: {status}")


def test_two_fresh_clones_make_the_same_lock(clone, tmp_path):
    other = small_clone(tmp_path / "other")
    repro(other)
    assert (other / "dvc.lock").read_bytes() == (clone / "dvc.lock").read_bytes()
    assert ran(run(other, "dvc", "repro")) == set()
