"""Resume: a run that is killed at any moment, and started again, ends with the bytes of one that was not."""

import contextlib
import logging
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from resumen.rouge.score import ROUGE_TYPES
from resumen.runtime.fingerprint import fingerprint
from resumen.runtime.locks import DAYS_KEPT, FINISHED, lock_of, locked_folder, resume_dir
from resumen.schema.params import Block
from resumen.schema.rows import load_table, write_table
from resumen.training.checkpoints import last_checkpoint
from stages.finetune import main as finetune
from tests.helpers.training import forget, outputs


class Nothing(Block):
    """No params."""


def folder_of(work: str) -> Path:
    """Return the folder that is kept of `work`, of which there is one."""
    (result,) = [path for path in (resume_dir() / work).iterdir() if path.is_dir()]
    return result


def test_a_run_that_has_ended_runs_again_when_asked_again(trained, runs, caplog):
    (folder_of("finetune-flan-small") / "mine").touch()
    runs(finetune, "flan-small")
    assert outputs() == trained
    assert not (folder_of("finetune-flan-small") / "mine").exists()
    assert "resuming" not in caplog.text


def test_a_changed_param_never_meets_an_old_checkpoint(trained, runs, set_params, monkeypatch, caplog):
    monkeypatch.setenv("RESUMEN_CHECKPOINT_SECONDS", "0")
    (folder_of("finetune-flan-small") / FINISHED).unlink()  # as if it had been killed at its end
    set_params({"finetune.learning_rate": 2e-2})
    caplog.clear()
    runs(finetune, "flan-small")
    assert "resuming" not in caplog.text
    changed = outputs()
    forget()
    runs(finetune, "flan-small")
    assert outputs() == changed


def test_what_decides_is_in_the_fingerprint(project, write):
    write("data/a.txt", "uno")
    write("data/b/c.txt", "dos")
    paths = [Path("data/a.txt"), Path("data/b")]
    first = fingerprint([Nothing()], paths)
    assert fingerprint([Nothing()], paths) == first
    write("data/b/c.txt", "tres")
    assert {name for name, value in fingerprint([Nothing()], paths).items() if value != first[name]} == {
        "data/b"
    }
    assert {"params", "the code", "torch"} < first.keys()


def test_the_folder_is_that_of_the_main_repository(project, monkeypatch):
    assert resume_dir() == Path(".resumen")
    monkeypatch.setenv("DVC_ROOT", "/srv/resumen")  # under `dvc exp run --temp`
    assert resume_dir() == Path("/srv/resumen/.resumen")


def test_what_is_finished_or_old_goes_and_what_is_locked_or_young_stays(project, caplog):
    log = logging.getLogger("test")
    names = {}
    for name in ("finished", "old", "young", "locked"):
        with locked_folder("work", {"name": name}, log, rank=0, world_size=1) as folder:
            names[name] = folder
    (names["finished"] / FINISHED).touch()
    (names["locked"] / FINISHED).touch()
    long_ago = time.time() - (DAYS_KEPT + 1) * 86_400
    os.utime(names["old"], (long_ago, long_ago))
    with (
        FileLock(lock_of(names["locked"])),
        locked_folder("work", {"name": "own"}, log, rank=0, world_size=1),
    ):
        assert [name for name, folder in names.items() if folder.exists()] == ["young", "locked"]


def test_what_another_process_removes_is_left_to_it_and_what_it_left_half_removed_goes(project):
    log = logging.getLogger("test")
    gone = {name: resume_dir() / "work" / f"{name}.gone" for name in ("being removed", "left")}
    for folder in gone.values():
        folder.mkdir(parents=True)
    with (
        FileLock(lock_of(resume_dir() / "work/being removed")),
        locked_folder("work", {"name": "own"}, log, rank=0, world_size=1),
    ):
        assert [name for name, folder in gone.items() if folder.exists()] == ["being removed"]
    assert not list((resume_dir() / "work").glob("*.gone.*"))


def test_what_is_old_goes_with_any_work(project):
    log = logging.getLogger("test")
    with locked_folder("generate-gone", {"name": "a system taken out"}, log, rank=0, world_size=1) as old:
        pass
    with locked_folder("generate-young", {"name": "another"}, log, rank=0, world_size=1) as young:
        (young / FINISHED).touch()
    long_ago = time.time() - (DAYS_KEPT + 1) * 86_400
    os.utime(old, (long_ago, long_ago))
    with locked_folder("finetune", {"name": "own"}, log, rank=0, world_size=1):
        assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("message", ["", "soon", "-1", "nan"])
def test_a_wrong_interval_is_refused(monkeypatch, training, fails, message):
    monkeypatch.setenv("RESUMEN_CHECKPOINT_SECONDS", message)
    assert (
        fails(finetune, "flan-small") == f"RESUMEN_CHECKPOINT_SECONDS: expected a number ≥ 0, got {message!r}"
    )


@pytest.fixture
def room(monkeypatch):
    """A function that leaves so many bytes on the disk of what is kept, and enough on others."""

    def leave(num_bytes):
        def usage(path):
            return SimpleNamespace(free=num_bytes if ".resumen" in Path(path).parts else 10**9)

        monkeypatch.setattr("resumen.runtime.files.shutil.disk_usage", usage)

    return leave


def test_a_checkpoint_without_room_is_left_out_and_training_continues(training, runs, room, caplog):
    room(300_000)  # a model takes 0.2 MB, a checkpoint three times as much
    runs(finetune, "flan-small")
    assert "no checkpoint: " in caplog.text
    assert " 0.6 MB are needed, and its disk has 0.3 MB left" in caplog.text
    assert not list(folder_of("finetune-flan-small").glob("checkpoint-*"))
    assert Path("models/finetuned/flan-small/model.safetensors").is_file()


def test_a_model_without_room_ends_the_run(training, room, fails):
    room(0)
    assert fails(finetune, "flan-small").endswith(
        ": 0.2 MB are needed, and its disk has 0.0 MB left; free some and try again"
    )


@pytest.mark.parametrize("what", ["optimizer", "best", "history"])
def test_a_damaged_checkpoint_is_passed_over(trained, runs, caplog, what):
    folder = folder_of("finetune-flan-small")
    (checkpoint,), (best,) = folder.glob("checkpoint-*"), folder.glob("epoch-*")
    assert last_checkpoint(folder) == checkpoint
    damaged = {"optimizer": checkpoint / "state.safetensors", "best": best / "model.safetensors"}
    damaged["history"] = checkpoint / "manifest.json"
    content = bytearray(damaged[what].read_bytes())
    content[content.index(b'"loss": ') + 8 if what == "history" else len(content) // 2] ^= 1
    damaged[what].write_bytes(content)
    assert last_checkpoint(folder) is None
    assert "is damaged, and is removed" in caplog.text
    (folder / FINISHED).unlink()
    runs(finetune, "flan-small")
    assert last_checkpoint(folder) == checkpoint  # made again in its place


@pytest.mark.parametrize(("split", "resumes"), [("test", True), ("validation", False), ("train", False)])
def test_a_checkpoint_is_left_for_other_rows_of_what_is_read(trained, runs, asked_at, caplog, split, resumes):
    (folder_of("finetune-flan-small") / FINISHED).unlink()  # as if it had been killed at its end
    path = Path(f"data/tokenized/flan-small/{split}.parquet")
    table = load_table(path)
    write_table(path, table.to_pylist()[:-1], table.schema)
    caplog.clear()
    asked_at(1)  # a step of a run that starts over
    with contextlib.nullcontext() if resumes else pytest.raises(SystemExit):
        runs(finetune, "flan-small")
    assert ("resuming" in caplog.text) == resumes


@pytest.mark.parametrize("step", [1, 8, 11])  # 6 steps an epoch: the last is an epoch's end
def test_asked_to_stop_it_keeps_the_step_and_resumes_from_it(trained, runs, asked_at, caplog, step):
    forget()
    asked_at(step)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        runs(finetune, "flan-small")
    assert stopped.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    assert not Path("models/finetuned/flan-small").exists()
    assert "stopped; the same command resumes from the last checkpoint" in caplog.text
    asked_at(None)
    runs(finetune, "flan-small")
    assert f"resuming from step {step + 1}" in caplog.text
    assert outputs() == trained


def test_asked_to_stop_in_a_validation_it_stops_at_once(training, runs, monkeypatch, caplog):
    calls = []

    def scores(validation, t5):
        calls.append(len(calls))
        if len(calls) == 2:  # of the first epoch, after that of the base
            with contextlib.suppress(Exception):  # as logging does with what a line raises
                signal.raise_signal(signal.SIGTERM)
        return {"loss": 0.0, **dict.fromkeys(ROUGE_TYPES, 0.0)}

    monkeypatch.setattr("resumen.training.finetuning.Validation.__call__", scores)
    with pytest.raises(SystemExit) as stopped:
        runs(finetune, "flan-small")
    assert stopped.value.code == 128 + signal.SIGTERM
    assert len(calls) == 2
    assert not Path("models/finetuned/flan-small").exists()


def test_asked_to_stop_without_room_it_stops_all_the_same(training, room, fails, asked_at, runs, caplog):
    room(300_000)
    asked_at(3)
    with pytest.raises(SystemExit) as stopped:
        runs(finetune, "flan-small")
    assert stopped.value.code == 128 + signal.SIGTERM
    assert "stopped; the same command starts over" in caplog.text


@pytest.mark.parametrize("accumulation", [2, 12])  # 6 steps an epoch, and 1: its last is an epoch's end
def test_without_its_dvc_it_stops_after_a_step_or_an_epoch(
    training, set_params, runs, monkeypatch, caplog, accumulation
):
    set_params({"finetune.gradient_accumulation": accumulation})
    monkeypatch.setattr("resumen.training.checkpoints.is_orphaned", lambda: True)
    with pytest.raises(SystemExit) as stopped:
        runs(finetune, "flan-small")
    assert stopped.value.code == 128 + signal.SIGTERM
    assert "DVC, which started this training, is gone" in caplog.text
    assert list(folder_of("finetune-flan-small").glob("checkpoint-1/manifest.json"))
    assert not Path("models/finetuned/flan-small").exists()
