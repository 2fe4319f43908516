"""Several processes: the predictions of one, the gradients of one, and an end when one of them dies."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from resumen.runtime.jsonfiles import read_json
from resumen.runtime.locks import FINISHED, resume_dir
from resumen.runtime.paths import CURVES_DIR
from tests.helpers.processes import Started, ended, free_port, start, start_together
from tests.helpers.training import forget, outputs

FINETUNE = ["stages.finetune", "flan-small"]
GENERATE = ["stages.generate", "flan-small"]


def gradients(processes: int, step: int) -> dict[str, torch.Tensor]:
    """Return the gradients of a step, from 0, of so many processes."""
    out = f"{processes}-{step}.safetensors"
    for process in start_together(processes, "tests.helpers.steps", out, str(step)):
        ended(process)
    return load_file(out)


@pytest.mark.parametrize(
    ("processes", "step", "precision", "tolerance"),
    [(2, 0, "fp32", 1e-5), (4, 0, "fp32", 1e-5), (3, 5, "fp32", 1e-5), (3, 0, "bf16", 3e-2)],
)
def test_the_gradients_of_several_processes_are_those_of_one(
    training, set_params, processes, step, precision, tolerance
):
    # not clipped, which would hide a wrong scale; batches of one and two rows: some processes have none
    set_params({"finetune.max_grad_norm": 1e9, "finetune.learning_rate": 1e-4})
    set_params({"finetune.precision": precision})
    alone = gradients(1, step)
    assert max(gradient.abs().max() for gradient in alone.values()) > 0.1
    for name, gradient in gradients(processes, step).items():
        if precision == "bf16":
            assert (gradient - alone[name]).norm() <= tolerance * alone[name].norm(), name
        else:
            torch.testing.assert_close(gradient, alone[name], rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize("processes", [2, 3])
def test_rounded_sums_are_the_same_in_every_process(tmp_path, processes):
    for process in start_together(processes, "tests.helpers.sums", folders=[tmp_path] * processes):
        ended(process)


@pytest.mark.parametrize("processes", [2, 3])
def test_so_many_processes_write_the_predictions_of_one(training, processes):
    ended(start(*GENERATE))
    alone = outputs()
    forget()
    message = ended(start(*GENERATE, RESUMEN_LAUNCH=f"--nproc-per-node {processes}"))
    assert outputs() == alone
    assert message.count("6 predictions") == 1  # rank 0 alone speaks


@pytest.mark.skipif(not shutil.which("pgrep"), reason="needs pgrep")
def test_generation_resumes_with_another_number_of_processes(training, set_params):
    set_params({"generate.max_new_tokens": 300})  # a batch takes longer than noticing the one before
    ended(start(*GENERATE))
    alone = outputs()
    (journal,) = Path(".resumen").glob("generate-*/*/batches.jsonl")
    count, ranks = len(batches_in(journal)), []
    forget()
    process = start(*GENERATE, RESUMEN_LAUNCH="--nproc-per-node 2")
    while not (journals := list(Path(".resumen").glob("generate-*/*/batches.jsonl"))):
        ranks = children(process) or ranks
        time.sleep(0.005)
        assert process.poll() is None
    for number in (*ranks, process.pid):  # each in a session of its own
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.communicate()
    kept = batches_in(journals[0])
    assert 0 < len(kept) < count
    assert not journals[0].with_name(FINISHED).exists()
    ended(start(*GENERATE, RESUMEN_LAUNCH="--nproc-per-node 3"))
    output = batches_in(journals[0])
    assert output[: len(kept)] == kept
    assert len(output) == count  # none was made again
    assert outputs() == alone


def test_beside_a_running_one_several_processes_end(training):
    for work in ("finetune-flan-small", "generate-flan-small"):
        with FileLock(resume_dir() / f"{work}.lock"):
            if work == "finetune-flan-small":
                message, _ = (ended(process, 1) for process in start_together(2, *FINETUNE))
            else:
                message = ended(start(*GENERATE, RESUMEN_LAUNCH="--nproc-per-node 2"), 1)
        assert f"{work}.lock: locked, {work} is under way in this folder; wait for its end" in message


def batches_in(journal: Path) -> list[str]:
    """Return the lines of a journal that hold a whole batch."""
    return [line for line in journal.read_text(encoding="utf-8").splitlines() if line.endswith("]]]]")]


def children(process: Started) -> list[int]:
    """Return the ids of the processes that `process` has started."""
    result = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return [int(number) for number in result.stdout.split()]


@pytest.mark.skipif(not shutil.which("pgrep"), reason="needs pgrep")
def test_a_process_that_dies_ends_the_run_which_resumes_with_another_number(training):
    ended(start(*FINETUNE))
    alone = read_json(CURVES_DIR / "flan-small.json")
    forget()
    process = start(*FINETUNE, RESUMEN_LAUNCH="--nproc-per-node 2")
    while not list(Path(".resumen").glob("finetune-*/*/checkpoint-*/manifest.json")):
        time.sleep(0.02)
        assert process.poll() is None
    os.kill(children(process)[1], signal.SIGKILL)
    said = ended(process, 1)
    message = re.findall(r"^error: (.*)$", said, re.MULTILINE)[-1]
    assert re.match(r"process [01] of stages.finetune ended with (SIGKILL|exit code 1), and with it", message)
    assert not Path("models/finetuned/flan-small").exists()
    said, *others = map(ended, start_together(3, *FINETUNE))
    assert "resuming from step" in said
    assert not any("finetune: " in other for other in others)
    for row, other in zip(read_json(CURVES_DIR / "flan-small.json"), alone, strict=True):
        assert (row["epoch"], row["step"]) == (other["epoch"], other["step"])
        assert row["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-3)
    assert Path("models/finetuned/flan-small/model.safetensors").is_file()


@pytest.fixture
def two_machines(training, tmp_path) -> tuple[Path, str]:
    """The folder of a second machine that has what the first has, and what joins both, but their number."""
    there = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-there", symlinks=True)
    node = f"--nnodes 2 --nproc-per-node 1 --master-addr 127.0.0.1 --master-port {free_port()} --node-rank"
    return there, node


def test_two_machines_that_share_no_disk_train_and_go_on_together(two_machines):
    there, node = two_machines
    first = start(*FINETUNE, RESUMEN_LAUNCH=f"{node} 0")
    second = start(*FINETUNE, RESUMEN_LAUNCH=f"{node} 1", folder=there)
    while not list(Path(".resumen").glob("finetune-*/*/checkpoint-*/manifest.json")):
        time.sleep(0.02)
        assert first.poll() is None
    second.kill()
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        process.communicate()
    message, quiet = map(ended, start_together(2, *FINETUNE, folders=(Path(), there)))
    assert "resuming from step" in message
    assert "finetune: " not in quiet
    assert Path("models/finetuned/flan-small/model.safetensors").is_file()
    assert not (there / "models/finetuned/flan-small").exists()


def test_a_machine_with_other_inputs_is_named(two_machines, set_params):
    there, node = two_machines
    set_params({"generate.num_beams": 3})
    first = start(*GENERATE, RESUMEN_LAUNCH=f"{node} 0")
    second = start(*GENERATE, RESUMEN_LAUNCH=f"{node} 1", folder=there)
    message = ended(first, 1) + ended(second, 1)
    assert "error: process 1: params is not that of process 0; every machine needs the same commit" in message


def test_a_machine_with_other_inputs_of_a_training_is_named(two_machines, set_params):
    there, _ = two_machines
    set_params({"finetune.learning_rate": 0.5})
    message = "".join(ended(process, 1) for process in start_together(2, *FINETUNE, folders=(Path(), there)))
    assert "error: process 1: params is not that of process 0; every machine needs the same commit" in message
