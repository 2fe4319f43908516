"""All that a GPU is asked, in ten minutes: speed beside the peers, MLSUM's hour, whether the loader keeps up.

    python -m benchmarks.gpu --write                        into benchmarks/RESULTS.md
    python -m benchmarks.gpu --device cpu --rounds 1 --work training generation --models flan-tiny

- training: flan-small beside Seq2SeqTrainer in bf16, and how long a step waits for its batch
- generation: flan-small, flan-base and flan-large beside transformers' `generate` in bf16; equal tokens in
  float32. Beams come last.
- mlsum: the hour of the profile, by extrapolation

With each speed stand tokens a second and the share of the rate of matrix products. Each part is a command of
its own, which may fail without the others; what `--minutes` has no room for is ended, or left out. Needs
benchmarks/requirements.txt, and a build of PyTorch for the GPU.
"""

import os
import signal
import subprocess
import sys
import time

from benchmarks.harness.results import benchmark, say
from benchmarks.harness.workload import SHAPES
from resumen.runtime.cli import run

WORKS = ("training", "generation", "mlsum")
MODELS = ["flan-small", "flan-base", "flan-large"]


def commands(works: list[str], models: list[str], rounds: int) -> list[str]:
    """Return the benchmarks with their options, what is wanted most first."""
    small, *larger = models
    rest = f"--rounds {rounds} --model"
    by_work = [
        ("training", f"training {rest} {small}"),
        ("generation", f"generation --work greedy {rest} {small}"),
        ("mlsum", "profiles --profile mlsum"),
        *(("generation", f"generation --work greedy {rest} {model}") for model in larger),
        ("generation", f"generation --work beams {rest} {small}"),
    ]
    return [command for work, command in by_work if work in works]


def finished(command: list[str], seconds: float) -> bool:
    """Run a command with all its processes for so many seconds at most; return whether it came to its end."""
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.gpu --write", rounds=2)
    arguments.add_argument("--work", choices=WORKS, nargs="*", default=list(WORKS), help="default: all")
    arguments.add_argument(
        "--models", choices=list(SHAPES), nargs="+", default=MODELS, help="default: flan-*"
    )
    arguments.add_argument("--device", default="cuda", help="default: cuda")
    arguments.add_argument("--minutes", type=float, default=10.0, help="for all (default: 10)")
    chosen = arguments.parse_args()
    end, left_out = time.monotonic() + 60 * chosen.minutes, []
    for command in commands(chosen.work, chosen.models, chosen.rounds):
        say(f"\n{command}")
        options = ["--device", chosen.device, *(["--write"] if chosen.write else [])]
        whole = [sys.executable, "-m", *f"benchmarks.{command}".split(), *options]
        if (left := end - time.monotonic()) < 0 or not finished(whole, left):
            left_out.append(command)
    if left_out:
        sys.exit("\n".join(["failed, or left out after so many minutes:", *left_out]))


if __name__ == "__main__":
    run(main)
