"""Files that may be gzipped."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from resumen.runtime.errors import InputError, first_line
from resumen.runtime.files import opened
from resumen.runtime.guards import RowBudget
from resumen.schema.suffixes import COMPRESSED


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Yield the content of a file, out of its gzip where it is in one.

    Raises:
        InputError: it is no gzip, or a damaged one; or it holds more than any text compresses to.
    """
    with opened(path, "rb") as file:
        if path.suffix.lower() != COMPRESSED:
            yield file
            return
        try:
            with BoundedGzip(path, file) as content:
                yield content  # type: ignore[misc]  # typeshed: no BinaryIO
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(
                f"{path}: not readable as gzip: {first_line(error)}; compress it again"
            ) from error


class BoundedGzip(gzip.GzipFile):
    """A gzip that may hold MAX_EXPANSION times its size, or 8 times MAX_BYTES if that is more."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self.budget = RowBudget(str(path), path.stat().st_size)

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        if self.tell() > self.budget.maximum:
            raise InputError(self.budget.too_much("got more"))
        return line
