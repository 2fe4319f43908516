"""Suffixes: what a file with rows is by its name."""

from collections.abc import Sequence
from pathlib import Path

from resumen.runtime.errors import InputError

SUFFIXES = (
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".ndjson",
    ".parquet",
)  # of files with rows, whatever their case
COMPRESSED = ".gz"  # after any of them but Parquet's, which is compressed inside
GZIPPED = tuple(suffix for suffix in SUFFIXES if suffix != ".parquet")
CONVERSIONS = {  # of what people have instead
    ".arrow": "name the folder that save_to_disk wrote, or write it as Parquet (`to_parquet` of datasets)",
    ".bz2": "unpack it, and compress it with gzip",
    ".doc": "save it as plain text, .txt",
    ".docx": "save it as plain text, .txt",
    ".gz": "unpack it (`gunzip`)",
    ".htm": "turn it into plain text, .txt",
    ".html": "turn it into plain text, .txt",
    ".odt": "save it as plain text, .txt",
    ".ods": "save it as CSV, UTF-8",
    ".pdf": "turn it into plain text, .txt (`pdftotext`)",
    ".pickle": "write it as Parquet (`to_parquet` of pandas)",
    ".pkl": "write it as Parquet (`to_parquet` of pandas)",
    ".rtf": "save it as plain text, .txt",
    ".xls": "save it as CSV, UTF-8",
    ".xlsx": "save it as CSV, UTF-8",
    ".xz": "unpack it, and compress it with gzip",
    ".zip": "unpack it",
}


def suffix_of(path: Path) -> str:
    """Return what the name of a file ends in, in lower case, without `.gz`.

    >>> suffix_of(Path("Noticias.CSV.gz")), suffix_of(Path("train.jsonl"))
    ('.csv', '.jsonl')
    """
    name = path.with_suffix("") if path.suffix.lower() == COMPRESSED else path
    return name.suffix.lower()


def stem_of(path: Path) -> str:
    """Return the name of a file without what `suffix_of` and `.gz` take.

    >>> stem_of(Path("datos/train.csv.gz"))
    'train'
    """
    return Path(path.stem).stem if path.suffix.lower() == COMPRESSED else path.stem


def known_suffix(path: Path, known: Sequence[str] = SUFFIXES) -> str:
    """Return the suffix of a file in lower case, without `.gz`.

    Raises:
        InputError: it is not `known`; the message says how to convert what people have instead.
    """
    suffix, last = suffix_of(path), path.suffix.lower()
    packed = last == COMPRESSED and suffix not in GZIPPED
    if suffix not in known or packed:
        way = CONVERSIONS.get(last if packed else suffix, "name it .txt if it is text" * (".txt" in known))
        raise InputError(
            f"{path}: expected a name that ends in {', '.join(known)}{f'; {way}' if way else ''}"
        )
    return suffix
