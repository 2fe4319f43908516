"""Several processes as one: `RESUMEN_LAUNCH` starts them, whole batches are sharded, gradients are summed.

Under torchrun every process (a rank) plans the same batches and takes its share; without it there is one
process, rank 0 of 1, and nothing here costs anything. Only rank 0 writes.

    RESUMEN_LAUNCH="--nproc-per-node 2" python -m stages.finetune flan-small
"""

import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from resumen.model.private import torchrun_parts
from resumen.runtime.errors import InputError, first_line

Value = TypeVar("Value")

LAUNCH = "RESUMEN_LAUNCH"
JOINED: dict[str, int] = {}  # "local": the processes of this machine, once they have met
TORCHRUN_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
RESUMES = (
    "what it said stands above. Started again, with any number of processes, it resumes from what is kept"
)
TIMEOUT = timedelta(hours=2)  # of a rank that waits for the others
REDUCE_CHUNK = 2**20  # numbers; to add bfloat16 to float32 PyTorch copies it, which then stays in the cache
MAX_DIRECT = 3  # ranks, of which each may send all to each; among more a ring sends less


def run_under_torchrun(module: str) -> bool:
    """Run `module` under torchrun as RESUMEN_LAUNCH says, with this command line; False if it says nothing.

    Raises:
        InputError: a process died, or the options are not torchrun's.
    """
    launch = os.environ.get(LAUNCH, "")
    if not launch.strip() or "RANK" in os.environ:
        return False
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # or torchrun says at length that it sets it
    torchrun = torchrun_parts()
    try:
        options = shlex.split(launch)
        if not any(
            option.startswith(("--nnodes", "--rdzv", "--master", "--standalone")) for option in options
        ):
            options.insert(0, "--standalone")  # a free port: two runs may be under way
        options += ["-m", module, *sys.argv[1:]]
        chosen = checked_options(torchrun, options) if torchrun else None
    except (SystemExit, ValueError, RuntimeError, AssertionError) as error:
        why = "" if isinstance(error, SystemExit) else f" ({first_line(error)})"
        raise InputError(
            f"{LAUNCH}: not options of torchrun: {launch!r}{why}; for two processes: --nproc-per-node 2"
        ) from error
    if torchrun:
        launch_here(torchrun, chosen, module)
    else:
        command = [sys.executable, "-m", "torch.distributed.run", *options]
        if code := subprocess.run(command, check=False).returncode:  # noqa: S603
            raise InputError(f"{LAUNCH}: torchrun {launch} ended with {exit_reason(code)}; {RESUMES}")
    return True


def checked_options(torchrun: Any, options: list[str]) -> Any:
    """Return torchrun's options, parsed; what is none of them raises an error of its own."""
    chosen = torchrun.get_args_parser().parse_args(options)
    if not chosen.module:
        raise ValueError(f"{chosen.training_script}: no option")
    if torchrun.config_from_args(chosen)[0].nproc_per_node < 1:
        raise ValueError("nproc_per_node: at least 1")
    return chosen


def launch_here(torchrun: Any, chosen: Any, module: str) -> None:
    """Start the processes and wait for them; a signal that ends this one ends it as a shell has it.

    Raises:
        InputError: a process died, or the processes did not meet.
    """
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # its report repeats what we say
    try:
        torchrun.run(chosen)
    except (dist.DistError, torchrun.RendezvousError) as error:
        raise InputError(
            f"{LAUNCH}: the processes did not meet: {first_line(error)[:200]}; start every machine's, with "
            "one address and port that all of them reach"
        ) from error
    except torchrun.ChildFailedError as error:
        number, failure = error.get_first_failure()
        raise InputError(
            f"process {number} of {module} ended with {exit_reason(failure.exitcode)}, and with it the run; "
            f"{RESUMES}"
        ) from error
    except torchrun.SignalException as error:
        sys.exit(128 + error.sigval)


def exit_reason(code: int) -> str:
    """Return what an exit code means.

    >>> exit_reason(-9)
    'SIGKILL'
    """
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def join_processes(backend: str = "gloo") -> None:
    """Meet the other processes, if torchrun started this one; all but rank 0 are silent from here on.

    Raises:
        InputError: they did not come.
    """
    if "RANK" not in os.environ or dist.is_initialized():
        return
    with distributed_errors():
        dist.init_process_group(backend, timeout=TIMEOUT)
    JOINED["local"] = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    for name in TORCHRUN_VARIABLES:  # transformers is to see one process: the shares and the sums are ours
        os.environ.pop(name, None)
    if rank():
        logging.disable(logging.INFO)


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_world_size() -> int:
    """Return how many of the processes are on this machine."""
    return JOINED.get("local", 1)


def shard(batches: Sequence[Value]) -> Sequence[Value]:
    """Return the batches of this rank, each whole, in their order."""
    return batches[rank() :: world_size()]


def shard_rows(count: int) -> slice:
    """Return which of a batch's `count` rows are this rank's."""
    return slice(count * rank() // world_size(), count * (rank() + 1) // world_size())


@contextmanager
def distributed_errors() -> Iterator[None]:
    """Turn the loss of another process into an InputError."""
    try:
        yield
    except RuntimeError as error:  # gloo has no type of its own
        message = first_line(error)[:120]
        raise InputError(f"process {rank()}: could not exchange with the others: {message}") from error


def all_gather(values: Value) -> list[Value]:
    """Return every rank's `values`, in the order of the ranks."""
    if world_size() == 1:
        return [values]
    result: list[Any] = [None] * world_size()
    with distributed_errors():
        dist.all_gather_object(result, values)
    return result


def check_same(parts: dict[str, str]) -> None:
    """Raise InputError unless every process has the same `parts`, which decide the result."""
    for other, theirs in enumerate(all_gather(parts)):
        if differing := [name for name in parts if parts[name] != theirs.get(name)]:
            raise InputError(
                f"process {other}: {differing[0]} is not that of process {rank()}; every machine needs the "
                "same commit, params.yaml and inputs: `git pull`, `dvc pull`"
            )


def broadcast(value: Value) -> Value:
    """Return what rank 0 has as `value`."""
    if world_size() == 1:
        return value
    box = [value]
    with distributed_errors():
        dist.broadcast_object_list(box)
    return box[0]


def all_reduce(tensors: Sequence[Tensor], dtype: torch.dtype = torch.float32) -> None:
    """Replace tensors of float32 by their sums over the ranks, in place.

    Where `dtype` is bfloat16, few ranks exchange them rounded to it: half the bytes between two, three
    quarters between three. PyTorch's `bf16_compress_hook` rounds so too.
    """
    if world_size() == 1:
        return
    if dtype == torch.bfloat16 and world_size() <= MAX_DIRECT and tensors[0].is_cpu:
        all_reduce_bf16(tensors)
        return
    with distributed_errors():
        for exchange in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
            exchange.wait()


def all_reduce_bf16(tensors: Sequence[Tensor]) -> None:
    """Gather each rank's own, in bfloat16; sum in float32, in the order of the ranks."""
    pieces = [piece for tensor in tensors for piece in tensor.view(-1).split(REDUCE_CHUNK)]
    with distributed_errors():
        exchanges = []
        for piece in pieces:
            rounded = piece.bfloat16()
            by_rank = [torch.empty_like(rounded) for _ in range(world_size())]
            exchanges.append((dist.all_gather(by_rank, rounded, async_op=True), by_rank))
        for piece, (exchange, (first, *others)) in zip(pieces, exchanges, strict=True):
            exchange.wait()
            piece.copy_(first)
            for addend in others:
                piece += addend


def broadcast_tensors(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by those of rank 0, in place."""
    if world_size() > 1:
        with distributed_errors():
            for tensor in tensors:
                dist.broadcast(tensor, 0)
