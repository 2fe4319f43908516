"""Memory by plan: what a batch takes is known from shapes, and a batch that takes too much is split.

The split is a function of params and shapes alone, against a fixed budget of the kind of device: what is free
on a machine never changes an output. What is free is asked once, before the work.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import ceil
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import psutil
import torch

from resumen.checkpoint.config import ModelConfig
from resumen.model.device import kind_of, states_dtype
from resumen.model.distributed import all_gather, local_world_size
from resumen.model.operations import num_parameters
from resumen.model.t5 import ENCODER_CHUNK, SCORES_CHUNK
from resumen.runtime.budget import users_budget
from resumen.runtime.errors import InputError
from resumen.schema.sections import Decoding
from resumen.vocabulary.tokenizer import chunks

GIB = 2**30
PROGRAM = GIB // 2  # of Python, PyTorch and the tokenizer; on a GPU, of its context
FLOAT32 = 4  # bytes
CGROUP = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")  # lines of a number, the controllers, and the group of this process
LIMITS = (  # of a group: what it may use, what it uses, and what of that is a cache of files
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),  # cgroups v2
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_inactive_file"),
)

Member = TypeVar("Member")


class Need(NamedTuple):
    """The bytes of a batch: what is held whatever its size, and what each article of it adds."""

    held: int
    article: int

    def of(self, count: int) -> int:
        """Return the bytes of `count` articles at once."""
        return self.held + count * self.article

    def articles(self, budget: int) -> int:
        """Return how many articles at once a budget of bytes has room for: one in any case."""
        return max(1, (budget - self.held) // self.article)


def products(config: ModelConfig, rows: int) -> int:
    """Return the numbers in a T5's weights but for the embedding and the head, of so many `rows`."""
    return num_parameters(config, rows) - rows * config.d_model * (2 if config.untied_head else 1)


def weights_bytes(config: ModelConfig, rows: int, dtype: torch.dtype) -> int:
    """Return the bytes of a T5 that is ready to generate in `dtype`; its embedding stays in float32."""
    embedding = rows * config.d_model
    has_head = config.untied_head or dtype != torch.float32  # another tensor than the embedding
    return embedding * FLOAT32 + (embedding * has_head + products(config, rows)) * dtype.itemsize


def generation_need(
    config: ModelConfig,
    rows: int,
    dtype: torch.dtype,
    device: torch.device,
    source: int,
    decoding: Decoding,
    target: int = 0,
    held: int | None = None,
) -> Need:
    """Return what generating from articles of `source` tokens takes, and the loss of `target` tokens of each.

    `rows` are those of the embedding, `held` the bytes of the weights and of what else is there
    (default: `weights_bytes`).
    """
    size, beams = states_dtype(dtype).itemsize, decoding.num_beams
    cached = 2 * config.num_decoder_layers * config.width * size  # keys and values of a token, all layers
    chunked = kind_of(device).chunked
    # of a position: as they come out, in float32, and their log-probabilities, before and after, for beams or
    # a loss that is not computed in chunks
    logits = rows * (size * (dtype != torch.float32) + FLOAT32 * (1 if beams == 1 else 3))
    loss = rows * (size + FLOAT32 * (0 if chunked else 2))
    slots = beams * decoding.max_new_tokens
    article = cached * (source + slots) + max(logits * beams, loss * target)
    if chunked and states_dtype(dtype) != torch.float32:  # a layer's past is copied
        article += cached // config.num_decoder_layers * slots
    held = weights_bytes(config, rows, dtype) if held is None else held
    # of a token in a layer of the encoder: its states as they pass, normalized and coming out; what is inside
    inner = max(5 * config.width, config.d_ff * (4 if config.gated else 2))
    token = 3 * FLOAT32 * config.d_model + inner * size + cached // config.num_decoder_layers
    scores = config.num_heads * source * source  # of an article
    num_biases = max(len(config.biased_layers[0]), 2)
    held += 2 * num_biases * scores * size  # of positions, as they are made
    if chunked:
        held += token * max(ENCODER_CHUNK, source) + 3 * FLOAT32 * max(SCORES_CHUNK, scores)
    else:
        article += token * source + 3 * scores * size
    return Need(PROGRAM + held, article)


def split(batch: Sequence[Member], at_once: int) -> Iterator[list[Member]]:
    """Yield a batch in as few parts as hold at most `at_once` rows, of about the same size.

    >>> list(split("abcdefg", 3))
    [['a', 'b', 'c'], ['d', 'e', 'f'], ['g']]
    """
    if batch:
        yield from chunks(batch, ceil(len(batch) / ceil(len(batch) / at_once)))


def budget_of(device: torch.device, beside: int = 0) -> int:
    """Return the bytes that a process may plan with: those of the kind of device, or RESUMEN_MEMORY_GB's.

    Where bytes are held `beside`, as in a training, they are taken off, but never more than half.
    """
    own = users_budget()
    whole = kind_of(device).memory if own is None else int(own * GIB)
    return left_beside(whole, beside)


def left_beside(budget: int, beside: int) -> int:
    """Return what a budget leaves for batches where `beside` bytes are held: half of it at least.

    >>> left_beside(12, 3), left_beside(12, 20)
    (9, 6)
    """
    return max(budget - beside, budget // 2)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on `device`; a container's limit counts."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min([int(psutil.virtual_memory().available), *container_memory()])


def groups_of_control() -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in: its own, and those around it."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:  # another system than Linux
        lines = []
    for controllers, path in (line.split(":", 2)[1:] for line in lines):
        if controllers in ("", "memory"):
            own = PurePosixPath(path.lstrip("/"))
            yield from (CGROUP / controllers / part for part in (own, *own.parents))


def container_memory() -> Iterator[int]:
    """Yield the bytes that each limit on this process leaves, such as a container's or a batch system's."""
    for folder, (limit, usage, statistics, cache) in product(groups_of_control(), LIMITS):
        try:
            most, used = (int((folder / name).read_text()) for name in (limit, usage))
            lines = (folder / statistics).read_text().splitlines()
        except (OSError, ValueError):  # "max" is no limit
            continue
        files = sum(int(line.split()[1]) for line in lines if line.startswith(f"{cache} "))
        yield max(0, most - used + files)


def gib(count: int) -> str:
    """Return a number of bytes as it is said."""
    return f"{count / GIB:.1f} GiB"


def check_free(what: str, need: int, device: torch.device, remedy: Callable[[int], str]) -> None:
    """Raise InputError if a process of `need` bytes has no room: `what` takes them, and a `remedy` for those.

    What it holds already is its own. The processes of a machine share what is free, but for those that have a
    GPU of their own. They ask all at once: before any of them loads a model, and with one answer.
    """
    sharing = 1 if device.type == "cuda" else local_world_size()
    own = 0 if device.type == "cuda" else int(psutil.Process().memory_info().rss)
    free = min(all_gather(free_memory(device) // sharing + own))
    if need > free:
        among = f" for each of {sharing} processes" if sharing > 1 else ""
        raise InputError(f"{what} takes {gib(need)}, and {gib(free)} are free{among}; {remedy(free)}")
