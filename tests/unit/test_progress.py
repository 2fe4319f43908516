"""Progress: every item passes, a line now and then without a terminal, a bar with one."""

import io
import logging
import sys

import pytest

from resumen.runtime import progress
from resumen.runtime.progress import progress_line, track

LINES = [
    (("flan", 50, 200, "article", 10.0), "flan: 50/200, 5.0 article/s, 30 s left"),
    (("train", 3000, None, "row", 20.0), "train: 3000, 150.0 row/s"),
    (("x", 200, 200, "step", 400.0), "x: 200/200, 0.5 step/s, 0 s left"),
]


@pytest.mark.parametrize(("given", "expected"), LINES)
def test_a_line_says_how_far_how_fast_and_how_long(given, expected):
    assert progress_line(*given) == expected


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
@pytest.mark.parametrize("total", [3, None])
def test_every_item_passes_in_order(monkeypatch, stream, total):
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(track(iter("abc"), "test letters", total)) == ["a", "b", "c"]


def test_without_a_terminal_there_are_plain_lines_of_the_stages_logger(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    clock = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with caplog.at_level(logging.INFO):
        list(track("ab", "generate flan-small", 2))
    assert [(record.name, record.message) for record in caplog.records] == [
        ("generate", "flan-small: 1/2, 1.0 row/s, 1 s left"),
        ("generate", "flan-small: 2/2, 1.0 row/s, 0 s left"),
    ]


def test_with_a_terminal_there_is_a_bar_and_no_line(monkeypatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level(logging.INFO):
        list(track("ab", "generate flan-small", 2))
    assert "generate flan-small" in terminal.getvalue()
    assert not caplog.records
