"""Several processes as one: `RESUMEN_LAUNCH` starts them, batches are dealt whole, gradients are summed.

Under torchrun every process (a rank) plans the same batches and takes its share; without it there is one
process, rank 0 of 1, and nothing here costs anything. Only rank 0 writes.

    RESUMEN_LAUNCH="--nproc-per-node 2" python -m stages.finetune
"""

import logging
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from stages.shared.cli import InputError
from stages.shared.files import files_of, first_line

T = TypeVar("T")

LAUNCH = "RESUMEN_LAUNCH"
OF_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
PATIENCE = timedelta(hours=2)  # of a rank that waits for the others
PIECE = 2**26  # bytes of a file sent at a time
PIECE_OF_SUM = 2**20  # numbers; to add bfloat16 to float32 PyTorch copies it, which then stays in the cache
FEW = 3  # ranks, of which each may send all to each; among more a ring sends less


def relaunched(module: str) -> bool:
    """Run `module` under torchrun as RESUMEN_LAUNCH says, with this command line; False if it says nothing.

    Raises:
        InputError: a process died, or the options are not torchrun's.
    """
    said = os.environ.get(LAUNCH, "")
    if not said.strip() or "RANK" in os.environ:
        return False
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.run import config_from_args, get_args_parser, run

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # or torchrun says at length that it sets it
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # its report repeats what we say
    try:
        options = shlex.split(said)
        if not any(
            option.startswith(("--nnodes", "--rdzv", "--master", "--standalone")) for option in options
        ):
            options.insert(0, "--standalone")  # a free port: two runs may be under way
        chosen = get_args_parser().parse_args([*options, "-m", module, *sys.argv[1:]])
        if not chosen.module:
            raise ValueError(f"{chosen.training_script}: no option")
        if config_from_args(chosen)[0].nproc_per_node < 1:
            raise ValueError("nproc_per_node: at least 1")
    except (SystemExit, ValueError, RuntimeError, AssertionError) as error:
        why = "" if isinstance(error, SystemExit) else f" ({first_line(error)})"
        raise InputError(
            f"{LAUNCH}: not options of torchrun: {said!r}{why}; for two processes: --nproc-per-node 2"
        ) from error
    try:
        run(chosen)
    except (dist.DistError, RendezvousError) as error:
        raise InputError(
            f"{LAUNCH}: the processes did not meet: {first_line(error)[:200]}; start every machine's, with "
            "one address and port that all of them reach"
        ) from error
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        raise InputError(
            f"process {number} of {module} ended with {ending(failure.exitcode)}, and with it the run; what "
            "it said stands above. Started again, with any number of processes, it goes on from what is kept"
        ) from error
    except SignalException as error:
        sys.exit(128 + error.sigval)
    return True


def ending(code: int) -> str:
    """Return what an exit code means.

    >>> ending(-9)
    'SIGKILL'
    """
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def choose_gpu() -> None:
    """Let this process see one GPU, its own; Trainer would take all of those that it sees."""
    local, seen = int(os.environ.get("LOCAL_RANK", 0)), os.environ.get("CUDA_VISIBLE_DEVICES")
    every = [str(number) for number in range(torch.cuda.device_count())]
    listed = every if seen is None else [name for name in seen.split(",") if name not in ("", "-1")]
    if local < len(listed):
        os.environ["CUDA_VISIBLE_DEVICES"] = listed[local]
    elif listed:
        raise InputError(f"{LAUNCH}: {local + 1} processes or more, and {len(listed)} GPUs; start fewer")


def join() -> None:
    """Meet the other processes, if torchrun started this one; all but rank 0 are silent from here on.

    Raises:
        InputError: they did not come.
    """
    if "RANK" not in os.environ or dist.is_initialized():
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with rank_errors():
        dist.init_process_group(backend, timeout=PATIENCE)
    for name in OF_TORCHRUN:  # Trainer is to see one process: the shares and the sums are ours
        os.environ.pop(name, None)
    if rank():
        logging.disable(logging.INFO)


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def num_ranks() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def dealt(batches: Sequence[T]) -> Sequence[T]:
    """Return the batches of this rank, each whole, in their order."""
    return batches[rank() :: num_ranks()]


def own_rows(count: int) -> slice:
    """Return which of a batch's `count` rows are this rank's."""
    return slice(count * rank() // num_ranks(), count * (rank() + 1) // num_ranks())


@contextmanager
def rank_errors() -> Iterator[None]:
    """Turn the loss of another process into an InputError."""
    try:
        yield
    except RuntimeError as error:  # gloo has no type of its own
        said = first_line(error)[:120]
        raise InputError(f"process {rank()}: could not exchange with the others: {said}") from error


def gathered(values: T) -> list[T]:
    """Return every rank's `values`, in the order of the ranks."""
    if num_ranks() == 1:
        return [values]
    found: list[Any] = [None] * num_ranks()
    with rank_errors():
        dist.all_gather_object(found, values)
    return found


def rank_zeros(value: T) -> T:
    """Return what rank 0 has as `value`."""
    if num_ranks() == 1:
        return value
    box = [value]
    with rank_errors():
        dist.broadcast_object_list(box)
    return box[0]


def add_up(tensors: Sequence[Tensor], dtype: torch.dtype = torch.float32) -> None:
    """Replace tensors of float32 by their sums over the ranks, in place.

    Where `dtype` is bfloat16, few ranks exchange them rounded to it: half the bytes between two, three
    quarters between three. PyTorch's `bf16_compress_hook` rounds so too.
    """
    if num_ranks() == 1:
        return
    if dtype == torch.bfloat16 and num_ranks() <= FEW and tensors[0].is_cpu:
        add_up_rounded(tensors)
        return
    with rank_errors():
        for exchange in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
            exchange.wait()


def add_up_rounded(tensors: Sequence[Tensor]) -> None:
    """Send each rank's own, in bfloat16, to every other; sum in float32, in the order of the ranks."""
    pieces = [piece for tensor in tensors for piece in tensor.view(-1).split(PIECE_OF_SUM)]
    rounded = [
        [
            piece.bfloat16() if number == rank() else torch.empty_like(piece, dtype=torch.bfloat16)
            for number in range(num_ranks())
        ]
        for piece in pieces
    ]
    with rank_errors():
        exchanges = []
        for tag, by_rank in enumerate(rounded):
            for other in range(num_ranks()):
                if other != rank():
                    exchanges.append(dist.isend(by_rank[rank()], other, tag=tag))
                    exchanges.append(dist.irecv(by_rank[other], other, tag=tag))
        for exchange in exchanges:
            assert exchange is not None  # every rank is of the default group
            exchange.wait()
    for piece, (first, *others) in zip(pieces, rounded, strict=True):
        piece.copy_(first)
        for addend in others:
            piece += addend


def received(folder: Path | None, scratch: Path) -> Path | None:
    """Return the folder of rank 0, or, in the others, a copy below `scratch`: they may share no disk."""
    names = rank_zeros([path.name for path in files_of(folder)] if folder else None)
    if names is None or num_ranks() == 1:
        return folder
    target = folder if folder and rank() == 0 else scratch / "received"
    target.mkdir(exist_ok=True)
    for name in names:
        send_file(target / name)
    return target


def send_file(path: Path) -> None:
    """Write to `path` in all ranks what rank 0 reads from it."""
    size = rank_zeros(path.stat().st_size if rank() == 0 else 0)
    with path.open("wb" if rank() else "rb") as file:
        for start in range(0, size, PIECE):
            piece = torch.empty(min(PIECE, size - start), dtype=torch.uint8)
            if rank() == 0:
                piece = torch.frombuffer(bytearray(file.read(len(piece))), dtype=torch.uint8)
            with rank_errors():
                dist.broadcast(piece, 0)
            if rank():
                file.write(piece.numpy().tobytes())
