"""Several processes: the predictions of one, the gradients of one, and an end when one of them dies."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from stages.finetune import CURVE
from stages.finetune import main as finetune
from stages.generate import main as generate
from stages.shared.files import read_json
from stages.shared.ranks import (
    add_up,
    dealt,
    ending,
    gathered,
    num_ranks,
    own_rows,
    rank,
    rank_zeros,
    received,
)
from stages.shared.resume import FINISHED, home
from tests.started import ROOT, TRAINING, ended, forget, outputs, start

FINETUNE, GENERATE = ["stages.finetune"], ["stages.generate", "flan-small"]


@pytest.fixture
def training(tokenized, set_params):
    """A project in which fine-tuning takes seconds, with dropout and accumulation."""
    set_params(TRAINING)


def test_alone_there_is_one_process_and_all_is_its_own(tmp_path):
    assert (rank(), num_ranks()) == (0, 1)
    assert dealt([1, 2, 3]) == [1, 2, 3]
    assert own_rows(5) == slice(0, 5)
    assert gathered("a") == ["a"]
    assert rank_zeros("a") == "a"
    assert received(tmp_path, tmp_path) == tmp_path
    sums = [torch.ones(2)]
    add_up(sums)
    assert sums[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_every_row_is_one_process_s(monkeypatch, processes, count):
    monkeypatch.setattr("stages.shared.ranks.num_ranks", lambda: processes)
    rows = []
    for number in range(processes):
        monkeypatch.setattr("stages.shared.ranks.rank", lambda number=number: number)
        rows.extend(range(count)[own_rows(count)])
    assert rows == list(range(count))


def test_an_ending_says_what_it_was():
    assert (ending(-9), ending(3)) == ("SIGKILL", "exit code 3")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("--nproc-per-nod", ""),
        ("--nproc-per-node 0", " (nproc_per_node: at least 1)"),
        ("--nnodes 1:2:3", ' (nnodes=1:2:3 is not in "MIN:MAX" format)'),
        ("2", " (2: no option)"),
        ("--nproc-per-node two", " (Unsupported nproc_per_node value: two)"),
        ("--nnodes x", " (invalid literal for int() with base 10: 'x')"),
        ("--nproc-per-node '2", " (No closing quotation)"),
    ],
)
def test_wrong_options_are_refused(training, fails, monkeypatch, said, why):
    monkeypatch.setenv("RESUMEN_LAUNCH", said)
    assert fails(finetune) == (
        f"RESUMEN_LAUNCH: not options of torchrun: {said!r}{why}; for two processes: --nproc-per-node 2"
    )


@pytest.mark.parametrize(("main", "argv"), [(finetune, ()), (generate, ("flan-small",))])
def test_what_starts_the_processes_leaves_the_reading_to_them(training, runs, monkeypatch, main, argv):
    started = []
    for name in ("load_table", "read_table"):
        monkeypatch.setattr(f"{main.__module__}.{name}", None, raising=False)
    monkeypatch.setattr(f"{main.__module__}.relaunched", lambda module: not started.append(module))
    runs(main, *argv)
    assert started == [main.__module__]


def gradients(processes: int, step: int) -> dict[str, torch.Tensor]:
    """Return the gradients of a step, from 0, of so many processes."""
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    out = f"{processes}-{step}.safetensors"
    command = [
        sys.executable,
        *(several if processes > 1 else []),
        str(ROOT / "tests/steps.py"),
        out,
        str(step),
    ]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return load_file(out)


@pytest.mark.pipeline
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


SUMS = """
import sys, torch
import torch.distributed as dist
from stages.shared import ranks
ranks.PIECE_OF_SUM = 5
ranks.join()
torch.manual_seed(ranks.rank())
own = [torch.randn(3, 7), torch.randn(2)]
everyone = ranks.gathered([tensor.clone() for tensor in own])
ranks.add_up(own, torch.bfloat16)
for place, found in enumerate(own):
    total = torch.zeros_like(found)
    for tensors in everyone:
        total += tensors[place].bfloat16().float()
    assert torch.equal(found, total), (found, total)
dist.destroy_process_group()
"""


@pytest.mark.pipeline
@pytest.mark.parametrize("processes", [2, 3])
def test_rounded_sums_are_the_same_in_every_process(tmp_path, processes):
    (tmp_path / "sums.py").write_text(SUMS, encoding="utf-8")
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *several, str(tmp_path / "sums.py")]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.pipeline
@pytest.mark.parametrize("processes", [2, 3])
def test_so_many_processes_write_the_predictions_of_one(training, processes):
    ended(start(*GENERATE))
    alone = outputs()
    forget()
    said = ended(start(*GENERATE, RESUMEN_LAUNCH=f"--nproc-per-node {processes}"))
    assert outputs() == alone
    assert said.count("6 predictions") == 1  # rank 0 alone speaks


@pytest.mark.pipeline
@pytest.mark.skipif(not shutil.which("pgrep"), reason="needs pgrep")
def test_generation_goes_on_with_another_number_of_processes(training, set_params):
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
    made = batches_in(journals[0])
    assert made[: len(kept)] == kept
    assert len(made) == count  # none was made again
    assert outputs() == alone


@pytest.mark.pipeline
def test_beside_a_running_one_several_processes_end(training):
    with FileLock(home() / "finetune.lock"):
        said = ended(start(*FINETUNE, RESUMEN_LAUNCH="--nproc-per-node 2"), 1)
    assert "finetune.lock: locked, finetune is under way in this folder; wait for its end" in said


def batches_in(journal: Path) -> list[str]:
    """Return the lines of a journal that hold a whole batch."""
    return [line for line in journal.read_text(encoding="utf-8").splitlines() if line.endswith("]]]]")]


def children(process: subprocess.Popen) -> list[int]:
    """Return the ids of the processes that `process` has started."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return [int(number) for number in found.stdout.split()]


@pytest.mark.pipeline
@pytest.mark.skipif(not shutil.which("pgrep"), reason="needs pgrep")
def test_a_process_that_dies_ends_the_run_which_goes_on_with_another_number(training):
    ended(start(*FINETUNE))
    alone = read_json(CURVE)
    forget()
    process = start(*FINETUNE, RESUMEN_LAUNCH="--nproc-per-node 2")
    while not list(Path(".resumen").glob("finetune/*/checkpoint-*/seal.json")):
        time.sleep(0.02)
        assert process.poll() is None
    os.kill(children(process)[1], signal.SIGKILL)
    said = ended(process, 1)
    message = re.findall(r"^error: (.*)$", said, re.MULTILINE)[-1]
    assert re.match(r"process [01] of stages.finetune ended with (SIGKILL|exit code 1), and with it", message)
    assert not Path("models/finetuned").exists()
    said = ended(start(*FINETUNE, RESUMEN_LAUNCH="--nproc-per-node 3"))
    assert "going on from step" in said
    for row, other in zip(read_json(CURVE), alone, strict=True):
        assert (row["epoch"], row["step"]) == (other["epoch"], other["step"])
        assert row["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-3)
    assert Path("models/finetuned/model.safetensors").is_file()


@pytest.mark.pipeline
def test_two_machines_that_share_no_disk_train_and_go_on_together(training, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there = tmp_path.parent / "there"
    shutil.copytree(tmp_path, there, symlinks=True)
    node = f"--nnodes 2 --nproc-per-node 1 --master-addr 127.0.0.1 --master-port {port} --node-rank"

    def both() -> list[subprocess.Popen]:
        first = start(*FINETUNE, RESUMEN_LAUNCH=f"{node} 0")
        return [first, start(*FINETUNE, RESUMEN_LAUNCH=f"{node} 1", folder=there)]

    first, second = both()
    while not list(Path(".resumen").glob("finetune/*/checkpoint-*/seal.json")):
        time.sleep(0.02)
        assert first.poll() is None
    second.kill()
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        process.communicate()
    said, quiet = (ended(process) for process in both())
    assert "going on from step" in said
    assert "finetune: " not in quiet
    assert Path("models/finetuned/model.safetensors").is_file()
    assert not (there / "models/finetuned").exists()


@pytest.mark.pipeline
def test_a_machine_with_other_inputs_is_named(training, tmp_path, set_params):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there = tmp_path.parent / "elsewhere"
    shutil.copytree(tmp_path, there, symlinks=True)
    set_params({"finetune.learning_rate": 0.5})
    node = f"--nnodes 2 --nproc-per-node 1 --master-addr 127.0.0.1 --master-port {port} --node-rank"
    first = start(*FINETUNE, RESUMEN_LAUNCH=f"{node} 0")
    second = start(*FINETUNE, RESUMEN_LAUNCH=f"{node} 1", folder=there)
    said = ended(first, 1) + ended(second, 1)
    assert "error: process 1: params is not that of process 0; every machine needs the same commit" in said
