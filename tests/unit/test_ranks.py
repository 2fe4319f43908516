"""Several processes: alone all is its own, every row is one process's, wrong options are refused."""

import pytest
import torch

from stages.finetune import main as finetune
from stages.generate import main as generate
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
