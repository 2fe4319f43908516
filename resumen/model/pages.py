"""Memory for the keys and values of one batch after another, apart from the heap."""

import mmap
import sys

import torch
from torch import Tensor


class Pages:
    """Memory for one large tensor after another.

    On Linux and a CPU it is mapped on its own, and the next tensor takes over the pages. In glibc's heap,
    what stays of a batch, such as oneDNN's kernels, lies around the place that its tensor leaves, and a
    larger one needs another: seven batches, each of a few articles more, took 1.8 GB instead of 1.4.
    """

    def __init__(self) -> None:
        self.mapped: mmap.mmap | None = None

    def empty(self, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return `count` numbers, (count,), not set to anything.

        A tensor from before that is in use still keeps its memory.

        Raises:
            MemoryError: there is not so much.
        """
        if device.type != "cpu" or sys.platform != "linux":
            return torch.empty(count, dtype=dtype, device=device)
        size = count * dtype.itemsize
        try:
            self.mapped = self.resized(size)
        except OSError as error:
            raise MemoryError(f"tried to allocate {size / 2**30:.2f} GiB") from error
        return torch.frombuffer(memoryview(self.mapped), dtype=dtype)

    def resized(self, size: int) -> mmap.mmap:
        if self.mapped is not None:
            try:
                self.mapped.resize(size)
            except BufferError:  # in use
                pass
            else:
                return self.mapped
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a shared one cannot grow
