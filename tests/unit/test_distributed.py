"""Several processes: alone all is its own, every row is one process's, wrong options are refused."""

import pytest
import torch

from resumen.model.distributed import (
    all_gather,
    all_reduce,
    broadcast,
    broadcast_tensors,
    exit_reason,
    rank,
    shard,
    shard_rows,
    world_size,
)
from stages.finetune import main as finetune
from stages.generate import main as generate


def test_alone_there_is_one_process_and_all_is_its_own():
    assert (rank(), world_size()) == (0, 1)
    assert shard([1, 2, 3]) == [1, 2, 3]
    assert shard_rows(5) == slice(0, 5)
    assert all_gather("a") == ["a"]
    assert broadcast("a") == "a"
    sums = [torch.ones(2)]
    all_reduce(sums)
    broadcast_tensors(sums)
    assert sums[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_every_row_is_one_process_s(monkeypatch, processes, count):
    monkeypatch.setattr("resumen.model.distributed.world_size", lambda: processes)
    rows = []
    for number in range(processes):
        monkeypatch.setattr("resumen.model.distributed.rank", lambda number=number: number)
        rows.extend(range(count)[shard_rows(count)])
    assert rows == list(range(count))


def test_an_exit_reason_is_a_signal_or_a_code():
    assert (exit_reason(-9), exit_reason(3)) == ("SIGKILL", "exit code 3")


@pytest.mark.parametrize(
    ("message", "why"),
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
def test_wrong_options_are_refused(training, fails, monkeypatch, pytestconfig, message, why):
    monkeypatch.setenv("RESUMEN_LAUNCH", message)
    if pytestconfig.getoption("--without-private"):
        assert fails(finetune, "flan-small").startswith("RESUMEN_LAUNCH: ")  # torchrun itself says why
        return
    assert fails(finetune, "flan-small") == (
        f"RESUMEN_LAUNCH: not options of torchrun: {message!r}{why}; for two processes: --nproc-per-node 2"
    )


@pytest.mark.parametrize(
    ("main", "work", "argv"),
    [
        (finetune, "resumen.training.finetuning.finetune", ("flan-small",)),
        (generate, "resumen.generation.summaries.generate", ("flan-small",)),
    ],
)
def test_what_starts_the_processes_leaves_the_work_to_them(training, runs, monkeypatch, main, work, argv):
    started = []
    monkeypatch.setattr(work, None)
    monkeypatch.setattr(
        "resumen.model.distributed.run_under_torchrun", lambda module: not started.append(module)
    )
    runs(main, *argv)
    assert started == [main.__module__]
