"""Resume: a run that is killed at any moment, and started again, ends with the bytes of one that was not."""

import contextlib
import logging
import os
import random
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from stages.finetune import main as finetune
from stages.shared.params import Block
from stages.shared.resume import DAYS_KEPT, FINISHED, fingerprint, home, kept, lock_of
from stages.shared.training import last_checkpoint
from tests.started import TRAINING, ended, forget, outputs, start

KILLS = int(os.environ.get("RESUMEN_KILLS", "100"))  # of the slow test, in all


class Nothing(Block):
    """No params."""


def folder_of(work: str) -> Path:
    """Return the folder that is kept of `work`, of which there is one."""
    (found,) = [path for path in (home() / work).iterdir() if path.is_dir()]
    return found


@pytest.fixture
def training(tokenized, set_params):
    """A project in which fine-tuning takes seconds, with dropout and accumulation."""
    set_params(TRAINING)


def test_a_run_that_has_ended_runs_again_when_asked_again(training, runs, caplog):
    runs(finetune)
    first = outputs()
    (folder_of("finetune") / "mine").touch()
    runs(finetune)
    assert outputs() == first
    assert not (folder_of("finetune") / "mine").exists()
    assert "going on" not in caplog.text


def test_a_changed_param_never_meets_an_old_checkpoint(training, runs, set_params, monkeypatch, caplog):
    monkeypatch.setenv("RESUMEN_CHECKPOINT_SECONDS", "0")
    runs(finetune)
    (folder_of("finetune") / FINISHED).unlink()  # as if it had been killed at its end
    set_params({"finetune.learning_rate": 2e-2})
    caplog.clear()
    runs(finetune)
    assert "going on" not in caplog.text
    changed = outputs()
    forget()
    runs(finetune)
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
    assert home() == Path(".resumen")
    monkeypatch.setenv("DVC_ROOT", "/srv/resumen")  # under `dvc exp run --temp`
    assert home() == Path("/srv/resumen/.resumen")


def test_what_is_finished_or_old_goes_and_what_is_locked_or_young_stays(project, caplog):
    log = logging.getLogger("test")
    names = {}
    for name in ("finished", "old", "young", "locked"):
        with kept("work", {"name": name}, log) as folder:
            names[name] = folder
    (names["finished"] / FINISHED).touch()
    (names["locked"] / FINISHED).touch()
    long_ago = time.time() - (DAYS_KEPT + 1) * 86_400
    os.utime(names["old"], (long_ago, long_ago))
    with FileLock(lock_of(names["locked"])), kept("work", {"name": "own"}, log):
        assert [name for name, folder in names.items() if folder.exists()] == ["young", "locked"]


@pytest.mark.parametrize("said", ["", "soon", "-1", "nan"])
def test_a_wrong_interval_is_refused(monkeypatch, training, fails, said):
    monkeypatch.setenv("RESUMEN_CHECKPOINT_SECONDS", said)
    assert fails(finetune) == f"RESUMEN_CHECKPOINT_SECONDS: expected a number ≥ 0, got {said!r}"


@pytest.fixture
def room(monkeypatch):
    """A function that leaves so many bytes on the disk of what is kept, and enough on others."""

    def leave(num_bytes):
        def usage(path):
            return SimpleNamespace(free=num_bytes if ".resumen" in Path(path).parts else 10**9)

        monkeypatch.setattr("stages.shared.files.shutil.disk_usage", usage)

    return leave


def test_a_checkpoint_without_room_is_left_out_and_training_goes_on(training, runs, room, caplog):
    room(300_000)  # a model takes 0.2 MB, a checkpoint three times as much
    runs(finetune)
    assert "no checkpoint: " in caplog.text
    assert " 0.6 MB are needed, and its disk has 0.3 MB left" in caplog.text
    assert not list(folder_of("finetune").glob("checkpoint-*"))
    assert Path("models/finetuned/model.safetensors").is_file()


def test_a_model_without_room_ends_the_run(training, room, fails):
    room(0)
    assert fails(finetune).endswith(
        ": 0.2 MB are needed, and its disk has 0.0 MB left; free some and try again"
    )


def test_a_damaged_checkpoint_is_passed_over(training, runs, caplog):
    runs(finetune)
    folder = folder_of("finetune")
    (checkpoint,) = folder.glob("checkpoint-*")
    assert last_checkpoint(folder) == checkpoint
    content = bytearray((checkpoint / "optimizer.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (checkpoint / "optimizer.pt").write_bytes(content)
    assert last_checkpoint(folder) is None
    assert "is damaged" in caplog.text


@pytest.mark.pipeline
@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM to a process there")
def test_asked_to_stop_it_stops_with_its_work_kept_and_goes_on(training):
    said = ended(start("stages.finetune"))
    whole = outputs()
    forget()
    process = start("stages.finetune", RESUMEN_CHECKPOINT_SECONDS="1000")
    while not list(home().glob("finetune/*/checkpoint-*/seal.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said = ended(process, 128 + signal.SIGTERM)
    assert "stopped; the same command goes on from the last checkpoint" in said
    assert not Path("models/finetuned").exists()
    assert "going on from step" in ended(start("stages.finetune"))
    assert outputs() == whole


@pytest.mark.pipeline
@pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP there")
def test_a_second_run_waits_and_takes_over_what_the_first_has_made(training):
    first = start("stages.finetune")
    while not list(home().glob("finetune/*/checkpoint-*/seal.json")):
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)
    second = start("stages.finetune")
    assert "the same is under way in another process" in second.stderr.readline()
    first.send_signal(signal.SIGCONT)
    ended(first)
    whole = outputs()
    assert "epoch 1:" not in ended(second)  # none was trained again
    assert outputs() == whole


def killed_at_random(draw: random.Random, stage: list[str], seconds: float) -> bool:
    """Kill a run after a random part of `seconds`; return whether it had not ended by then."""
    process = start(*stage)
    time.sleep(draw.uniform(0.0, seconds))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode != 0


def survives(stage: list[str], kills: int, draw: random.Random) -> int:
    """Return after how many of `kills` kills the bytes came out in the end.

    Runs are killed once to three times, each started where the one before was killed, then let to the end.
    """
    forget()
    begin = time.monotonic()
    ended(start(*stage))
    seconds, whole = time.monotonic() - begin, outputs()
    assert whole
    done = survived = 0
    while done < kills:
        forget()
        wanted, killed = min(draw.choice((1, 1, 2, 3)), kills - done), 0
        while killed < wanted and killed_at_random(draw, stage, seconds):
            killed += 1
        if killed == wanted:
            ended(start(*stage))
        done += killed
        survived += killed if outputs() == whole else 0
    return survived


@pytest.mark.pipeline
@pytest.mark.parametrize("stage", [["stages.finetune"], ["stages.generate", "flan-small"]], ids=" ".join)
@pytest.mark.skipif(os.name == "nt", reason="no process groups there")
def test_three_kills_change_no_byte(training, stage):
    assert survives(stage, 3, random.Random(5)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "share"), [(["stages.finetune"], 0.6), (["stages.generate", "flan-small"], 0.4)], ids=str
)
@pytest.mark.skipif(os.name == "nt", reason="no process groups there")
def test_a_hundred_kills_change_no_byte(training, stage, share):
    kills = round(KILLS * share)
    assert survives(stage, kills, random.Random(KILLS)) == kills
