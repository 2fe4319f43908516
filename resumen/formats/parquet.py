"""Rows of Parquet files that we did not write, read within bounds."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resumen.runtime.guards import RowBudget


def untrusted_rows(
    file: pq.ParquetFile, where: str, size: int, columns: list[str], groups: list[int] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of an open Parquet file of `size` bytes that we did not write, in the file's order.

    They are read one at a time, whatever the file says of itself: a few bits may stand for a value of any
    size, in any number of rows. A row takes 0.04 ms. A page is read whole, and if the footer lies about it,
    Arrow takes the 2 GB that a page may have before it is refused.

    Raises:
        InputError: a row is too large, or all of them are for so small a file.
    """
    budget = RowBudget(where, size)
    budget.claim(uncompressed_size(file, columns, groups))
    for number, batch in enumerate(file.iter_batches(1, groups, columns, use_threads=False), start=1):
        parts = [part.dictionary_decode() if pa.types.is_dictionary(part.type) else part for part in batch]
        budget.spend(number, sum(part.nbytes for part in parts))
        yield batch.to_pylist()[0]


def uncompressed_size(file: pq.ParquetFile, columns: list[str], groups: list[int] | None) -> int:
    """Return how many bytes the pages of `columns` have without compression, as the footer says."""
    total = 0
    for number in range(file.num_row_groups) if groups is None else groups:
        group = file.metadata.row_group(number)
        chunks = (group.column(index) for index in range(group.num_columns))
        total += sum(
            chunk.total_uncompressed_size
            for chunk in chunks
            if {chunk.path_in_schema, chunk.path_in_schema.split(".")[0]} & set(columns)
        )
    return total
