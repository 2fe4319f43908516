"""What is wrong with a row of news: by itself, and beside the rows that came before it.

A row that stays is counted under all that is wrong with it, one that is dropped under the first that its
switch (`data.drop` in params.yaml) drops it for; what repeats a dropped row repeats nothing.
"""

import re
from collections import Counter, defaultdict
from hashlib import blake2b
from importlib.metadata import version
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from rensa import RMinHash, RMinHashLSH

from resumen.schema.data import DataParams
from resumen.schema.rows import SPLITS
from resumen.sources.damage import MIN_INNER_RUN, MIN_RUN, is_damaged
from resumen.sources.rows import FAULT
from resumen.text.characters import NO_VALUE, is_missing
from resumen.text.language import (
    LANGUAGE_CHARACTERS,
    MIN_RELATIVE_WORDS,
    RELATIVES,
    is_another_language,
)
from resumen.text.words import words

NUM_EXAMPLES = 3  # of each reason, by id
NUM_HASHES = 120  # of a MinHash; the estimate of a similarity of 0.8 has a deviation of 0.037
MAX_MISSED = 0.005  # of the texts that are alike just as much as near duplicates have to be
HASH_SEED = 1


# MLSUM es: "* Este artículo apareció en la edición impresa del Martes, 1 de junio de 2010"
EDITION_NOTE_WORDS = "Este artículo apareció en la edición impresa"
AFTER_EDITION_NOTE = re.compile(r"(?!\w)[^.\n]*+\.?+\s*+")  # possessive: nothing is tried twice


def without_edition_note(text: str) -> str:
    """Return `text` without the note on the printed edition, which says nothing of the news.

    >>> without_edition_note("Llueve. * Este artículo apareció en la edición impresa del lunes.")
    'Llueve.'
    """
    article, note, rest = text.rpartition(EDITION_NOTE_WORDS)
    if not note or not AFTER_EDITION_NOTE.fullmatch(rest):
        return text
    return article.rstrip().removesuffix("*").rstrip()


class RowWords(NamedTuple):
    """The words of a row, found once."""

    text: list[str]
    summary: list[str]

    @classmethod
    def of(cls, row: dict[str, Any]) -> "RowWords":
        return cls(words(row["text"]), words(row["summary"]))


def own_defects(row: dict[str, Any], read: RowWords, params: DataParams) -> list[str]:
    """Return what is wrong with `row` by itself; if it is one of UNUSABLE, that alone."""
    text, summary = read
    if row.get(FAULT):
        return ["broken conversation"]
    if not text or is_missing(row["text"]):
        return ["empty text"]
    if not summary or is_missing(row["summary"]):
        return ["empty summary"]
    result = []
    if len(summary) < params.min_summary_words:
        result.append("short summary")
    if is_damaged(row["text"], text) or is_damaged(row["summary"], summary):
        result.append("damaged text")
    can_be_told = params.language != "any" and len(text) >= params.min_language_words
    if can_be_told and is_another_language(row["text"], params.language, len(text), params.language_margin):
        result.append("other language")
    if f" {' '.join(summary)} " in f" {' '.join(text)} ":
        result.append("verbatim summary")
    if words(row.get("title") or "") == summary:
        result.append("title as summary")
    if len(summary) >= len(text):
        result.append("long summary")
    return result


class RowRef(NamedTuple):
    """Where a row that was kept stands."""

    split: str
    id: str


class Fingerprint(NamedTuple):
    """What tells whether two rows repeat one another."""

    text: bytes
    summary: bytes
    sketch: RMinHash | None  # of the text's pairs of neighbouring words (Broder 1997); None of few words

    @classmethod
    def of(cls, read: RowWords, min_words: int) -> "Fingerprint":
        """Return that of a row; a text of fewer than `min_words` words has no sketch."""
        sketch = None
        if len(read.text) >= min_words:
            sketch = RMinHash(num_perm=NUM_HASHES, seed=HASH_SEED)
            sketch.update([f"{one} {other}" for one, other in pairwise(read.text)])
        return cls(words_digest(read.text), words_digest(read.summary), sketch)


def words_digest(tokens: list[str]) -> bytes:
    """Return 16 bytes that tell a text by its words."""
    return blake2b(" ".join(tokens).encode(), digest_size=16).digest()


def num_bands(similarity: float) -> int:
    """Return the fewest bands of hashes by which no more than MAX_MISSED of such texts are not compared.

    Texts are compared if all hashes of a band are equal; a row takes 110 bytes of memory a band.

    >>> num_bands(0.8), num_bands(0.6)
    (20, 40)
    """
    for bands in range(1, NUM_HASHES + 1):
        if NUM_HASHES % bands == 0 and (1 - similarity ** (NUM_HASHES // bands)) ** bands <= MAX_MISSED:
            return bands
    return NUM_HASHES


class DuplicateIndex:
    """The rows that were kept so far, in this split and in earlier ones.

    Near duplicates have `similarity` or more of their pairs of neighbouring words in common (Jaccard).
    """

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity
        self.texts: dict[bytes, RowRef] = {}
        self.summaries: dict[str, dict[bytes, RowRef]] = {split: {} for split in SPLITS}
        self.near = RMinHashLSH(threshold=similarity, num_perm=NUM_HASHES, num_bands=num_bands(similarity))
        self.sketches: list[RMinHash] = []  # by their key in `near`
        self.sketched: list[RowRef] = []  # whose they are

    def repeated(self, row: Fingerprint, split: str) -> dict[str, RowRef]:
        """Return in what a row repeats an earlier one, and which."""
        result = {}
        if first := self.texts.get(row.text):
            result["duplicate text" if first.split == split else "text in earlier split"] = first
        elif first := self.nearest(row.sketch):
            same = first.split == split
            result["near duplicate" if same else "near duplicate in earlier split"] = first
        if first := self.summaries[split].get(row.summary):
            result["repeated summary"] = first
        return result

    def nearest(self, sketch: RMinHash | None) -> RowRef | None:
        """Return the first row that is a near duplicate."""
        if sketch is None:
            return None
        keys: list[int] = sorted(self.near.query(sketch))
        for key in keys:
            if sketch.jaccard(self.sketches[key]) >= self.similarity:
                return self.sketched[key]
        return None

    def keep(self, row: Fingerprint, ref: RowRef) -> None:
        """Remember a row."""
        self.texts.setdefault(row.text, ref)
        self.summaries[ref.split].setdefault(row.summary, ref)
        if row.sketch is not None:
            self.near.insert(len(self.sketches), row.sketch)
            self.sketches.append(row.sketch)
            self.sketched.append(ref)


class Audit:
    """What was found in a split: counts by reason, examples, and the lengths of the rows that stay."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.dropped: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.trimmed: Counter[str] = Counter()
        self.examples: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.faults: list[str] = []  # the first, of rows that could not be read
        self.several_references = 0  # articles
        self.text_words: list[int] = []
        self.summary_words: list[int] = []

    def count(self, row_id: str, defects: dict[str, RowRef | None], reason: str | None) -> None:
        """Count the `defects` of a row, each with the row that it repeats, if it does.

        Of a row that is dropped, its `reason` alone counts.
        """
        if reason:
            self.dropped[reason] += 1
        else:
            self.left.update(list(defects))
        for name in [reason] if reason else defects:
            if len(self.examples[name]) < NUM_EXAMPLES:
                first = defects[name]
                self.examples[name].append({"id": row_id, **({"of": first.id} if first else {})})

    def measure(self, read: RowWords) -> None:
        """Take the lengths of a row that stays."""
        self.text_words.append(len(read.text))
        self.summary_words.append(len(read.summary))

    def report(self) -> dict[str, Any]:
        """Return the split's entry of metrics/data.json; lengths in words, compression in words a word."""
        text, summary = np.array(self.text_words), np.array(self.summary_words)
        return {
            "split": self.split,
            "kept": len(text),
            "dropped": dict(sorted(self.dropped.items())),
            "left": dict(sorted(self.left.items())),
            "trimmed": dict(sorted(self.trimmed.items())),
            "several_references": self.several_references,
            "text_words": quantiles(text),
            "summary_words": quantiles(summary),
            "compression": quantiles(text / summary),
            "examples": {name: self.examples[name] for name in sorted(self.examples)},
        }


def audit_signature() -> list[str]:
    """Return what else decides which rows are empty, damaged, in another language or repeat one another."""
    parts = {
        "hashes": NUM_HASHES,
        "missed": MAX_MISSED,
        "seed": HASH_SEED,
        "no-value": ",".join(NO_VALUE),
        "language-characters": ",".join(map(str, LANGUAGE_CHARACTERS)),
        "relative-words": MIN_RELATIVE_WORDS,
        "relatives": ",".join(f"{code}={'+'.join(sorted(RELATIVES[code]))}" for code in sorted(RELATIVES)),
        "letter-run": f"{MIN_RUN}/{MIN_INNER_RUN}",
        **{name: version(name) for name in ("ftfy", "py3langid", "rensa")},
    }
    return [f"{name}:{value}" for name, value in parts.items()]


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Return what a distribution looks like, rounded to one place.

    >>> quantiles(np.array([1, 2, 3]))
    {'least': 1.0, 'p5': 1.1, 'median': 2.0, 'p95': 2.9, 'most': 3.0}
    """
    result = np.quantile(values, [0, 0.05, 0.5, 0.95, 1]).round(1).tolist()
    return dict(zip(("least", "p5", "median", "p95", "most"), result, strict=True))
