"""Guards: what a file from elsewhere may not make us do, made so or damaged.

A few bytes can stand for more than the memory holds (an alias in YAML, a page of Parquet); a text can take
the square of its length to read (combining marks), or be one that no file can hold (half a surrogate pair).
Each guard refuses what no news, model or params.yaml comes near.
"""

import math
import re
import unicodedata
from itertools import groupby
from typing import Any, BinaryIO

from resumen.runtime.errors import InputError, shown

MAX_BYTES = 2**25  # of a JSON file, a line or a value: T5's tokenizer.json has 2.4 MB, a long article 0.1
MAX_TOKENIZER = 2**26  # of the tokenizer.json of any other model: 262,144 pieces and their merges take 34 MB
MAX_YAML = 2**19  # characters, 4 to 7 s of reading; ours have 10,000, dvc.lock 70,000
MAX_DIGITS = 1_000
MAX_EXPANSION = 100  # times its size that a Parquet file's rows may have; news have 2 to 4 times
MAX_COMBINING = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format
MAX_SUMMARY = 100_000  # characters of a summary made elsewhere; a million would be scored for minutes
SURROGATE = re.compile("[\ud800-\udfff]")  # what JSON can escape and UTF-8 cannot hold
# What marks the ends of a text for a model, and is no word of it.
SPECIAL_TOKEN = re.compile(
    r"<(?:/?s|pad|unk|mask|bos|eos|extra_id_\d+|\|\w+\|)>|\[(?:PAD|CLS|SEP|UNK|MASK)\]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # would steer a terminal, or end a line


def read_bounded(file: BinaryIO, where: object, maximum: int = MAX_BYTES) -> bytes:
    """Return what an open file holds.

    Raises:
        InputError: that is more than `maximum` bytes.
    """
    content = file.read(maximum + 1)
    if len(content) > maximum:
        raise InputError(f"{where}: expected at most {maximum:,} bytes, got more; is it the right file?")
    return content


def expanded_yaml_size(node: Any, known: dict[Any, float]) -> float:
    """Return how many characters a tree of YAML is with its aliases written out; inf if it holds itself.

    Raises:
        ValueError: a number has more than MAX_DIGITS digits, which take the square of their number to read.
    """
    if node not in known:
        known[node] = math.inf
        value = [] if node is None else node.value
        if isinstance(value, str):
            if node.tag.endswith(":int") and len(value) > MAX_DIGITS:
                raise ValueError(f"a number of {len(value):,} digits")
            known[node] = len(value)
        else:
            children = [child for part in value for child in (part if isinstance(part, tuple) else (part,))]
            known[node] = sum(1 + expanded_yaml_size(child, known) for child in children)
    return known[node]


class RowBudget:
    """How many bytes the rows of a compressed file of `size` bytes may have."""

    def __init__(self, where: str, size: int) -> None:
        self.where, self.size = where, size
        self.spent, self.maximum = 0, max(MAX_EXPANSION * size, 8 * MAX_BYTES)

    def claim(self, num_bytes: int) -> None:
        """Raise InputError if that is more than they may have: what the footer says of them."""
        if num_bytes > self.maximum:
            raise InputError(self.too_much(f"its footer says {num_bytes:,}"))

    def spend(self, number: int, num_bytes: int) -> None:
        """Raise InputError if row `number` is too large, or all rows up to it are."""
        if num_bytes > MAX_BYTES:
            raise InputError(
                f"{self.where}: row {number}: expected at most {MAX_BYTES:,} bytes, got {num_bytes:,}; this "
                "is no article"
            )
        self.spent += num_bytes
        if self.spent > self.maximum:
            raise InputError(self.too_much("got more", f" row {number}:"))

    def too_much(self, got: str, row: str = "") -> str:
        """Return the message for too many bytes in so small a file."""
        return (
            f"{self.where}:{row} expected a file of {self.size:,} bytes to hold at most {self.maximum:,}, "
            f"{got}; write it again from where the rows came from"
        )


def fault_of(text: str) -> str | None:
    """Return what is wrong with a text whose combining marks are more in a row than any script has, or None.

    Normalizing them takes the square of their number: 5 s for 80,000.
    """
    if unicodedata.is_normalized("NFC", text):  # quick to tell, and false of such a run
        return None
    runs = groupby(text, key=lambda letter: unicodedata.combining(letter) > 0)
    if all(len(list(run)) <= MAX_COMBINING for combines, run in runs if combines):
        return None
    return (
        f"expected at most {MAX_COMBINING} combining marks in a row, got more: {shown(text)}; take them out"
    )


def summary_fault(text: str) -> str | None:
    """Return why a summary made elsewhere cannot be scored, or None."""
    if len(text) > MAX_SUMMARY:
        return f"expected at most {MAX_SUMMARY:,} characters, got {len(text):,}; this is no summary"
    if result := CONTROL.search(text):
        return f"expected no control character, got {result[0]!r}; take it out"
    if result := SPECIAL_TOKEN.search(text):
        return f"holds {result[0]}, no word but a special token; decode with skip_special_tokens=True"
    return fault_of(text)
