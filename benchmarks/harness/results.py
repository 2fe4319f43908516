"""What a benchmark is asked, and what it tells: lines on the screen, and a part of RESULTS.md."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import torch

from benchmarks.harness.hardware import hardware
from benchmarks.harness.workload import DEFAULT
from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError

RESULTS = Path(__file__).parent.with_name("RESULTS.md")


def benchmark(doc: str, example: str, rounds: int | None = None) -> argparse.ArgumentParser:
    """Return a parser with `--write`, and with `--rounds` where there is a number of them to choose."""
    arguments = parser(doc, example)
    arguments.add_argument("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    if rounds:
        arguments.add_argument("--rounds", type=int, default=rounds, help=f"default: {rounds}")
    return arguments


def part_of(work: str, device: str, model: str = DEFAULT) -> str:
    """Return the name of a table in RESULTS.md, in which the instructions stand that oneDNN is held to."""
    shape = "" if model == DEFAULT else model
    return " ".join(filter(None, [device, os.environ.get("ONEDNN_MAX_CPU_ISA"), shape, work]))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def check_parts(names: Iterable[str]) -> None:
    """Raise InputError unless RESULTS.md has all these parts, before hours of measuring."""
    text = RESULTS.read_text(encoding="utf-8")
    for line in (line for name in names for line in (f"<!-- {name} -->", f"<!-- /{name} -->")):
        if line not in text:
            raise InputError(f"{RESULTS.name}: no line {line}; add it where the table is to stand")


def tell(part: str, lines: Iterable[str], device: torch.device, rounds: int, write: bool) -> None:
    """Print lines as they come, below one on the hardware; put them into a part of RESULTS.md, if asked."""
    output = []
    for line in chain([hardware(device), ""], lines):
        output.append(line)
        say(line)
    if write:
        write_results(part, output, rounds)


def write_results(name: str, lines: list[str], rounds: int) -> None:
    """Replace the part `name` of RESULTS.md; the rest stays."""
    command = ["git", "log", "-1", "--format=%h"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    changed = ["git", "diff", "--quiet", "HEAD", "--", "stages", "resumen", "benchmarks/*.py"]
    if subprocess.run(changed, check=False).returncode:
        commit += ", changed since"
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(begin)
    date = datetime.now(UTC).date().isoformat()
    output = "\n".join([f"{date}, commit {commit}, {rounds} round{'s' * (rounds > 1)}.", "", *lines])
    RESULTS.write_text(f"{before}{begin}\n{output}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
