"""Tokenize: teach the base's vocabulary to spell, then turn prompts and completions into token ids.

Reads   data/formatted/{split}.parquet, models/pretrained/<base>/ (tokenizer.json, config.json)
Writes  data/tokenized/F/{split}.parquet   id, input_ids, labels (and attention_mask with padding: longest)
        data/tokenized/F/tokenizer/        what the fine-tuned model will carry
        metrics/tokenize/F.json            spelling before and after; lengths, truncation, padding
Params  finetunings.F, tokenize, format.style

    python -m stages.tokenize flan-small
"""

import logging
import math
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from resumen.checkpoint.folder import read_config, reason_left_out
from resumen.checkpoint.kinds import why_not_trained
from resumen.prompts.truncation import encode_truncated
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.runtime.paths import (
    FORMATTED_DIR,
    FORMATTED_TRAIN,
    PRETRAINED_DIR,
    TOKENIZE_METRICS,
    TOKENIZED_DIR,
)
from resumen.runtime.progress import track
from resumen.runtime.provenance import check_hashes, write_provenance
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.finetunings import finetuning_params, vocabulary_of
from resumen.schema.params import checked_params, parse_key
from resumen.schema.rows import FORMATTED, SPLITS, num_rows, read_table, write_table
from resumen.schema.sections import StyleParams, TokenizeParams
from resumen.vocabulary.spelling import add_letters, count_letters, unknown_letters
from resumen.vocabulary.tokenizer import (
    IGNORE_INDEX,
    PAD,
    SPANISH_LETTERS,
    UNK,
    chunks,
    count_unknown,
    decode,
    encode,
    is_rebuilt,
    load_tokenizer,
    normalized_text,
    read_tokenizer,
    truncate,
)

log = logging.getLogger("tokenize")

# What google-t5's repositories lack, and without which AutoTokenizer knows no padding.
T5_TOKENIZER = {
    "tokenizer_class": "T5Tokenizer",
    "eos_token": "</s>",
    "pad_token": PAD,
    "unk_token": UNK,
    "extra_ids": 100,
    "model_max_length": 512,
    "clean_up_tokenization_spaces": False,
}
AS_IT_IS = "PreTrainedTokenizerFast"  # the class for which tokenizer.json is taken so
TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json")

MAX_LOST = 0.001  # letters a word of the training split that may find no spare row
LENGTHS_SAMPLE = 2_000  # prompts encoded whole, to say how long they are


IDS = pa.list_(pa.int32())
DYNAMIC = pa.schema([("id", pa.string()), ("input_ids", IDS), ("labels", IDS)])
LONGEST = DYNAMIC.insert(2, pa.field("attention_mask", IDS))


@dataclass
class Spelling:
    """How a vocabulary spells the references, summed up as they pass."""

    vocabulary: str
    tokenizer: Tokenizer
    num_unk: int = 0
    num_tokens: int = 0
    num_exact: int = 0
    count: int = 0

    def add(self, texts: list[str], rows: list[list[int]] | None = None) -> None:
        """Take in some references; `rows` are their ids, if they are known."""
        rows = encode(self.tokenizer, texts) if rows is None else rows
        self.num_unk += sum(count_unknown(self.tokenizer, row) for row in rows)
        self.num_tokens += sum(map(len, rows))
        backs = decode(self.tokenizer, rows)
        self.num_exact += sum(
            back == normalized_text(self.tokenizer, text) for text, back in zip(texts, backs, strict=True)
        )
        self.count += len(texts)

    def row(self) -> dict[str, Any]:
        """Return <unk> per 1,000 tokens, and the % of references that encode and decode leave unchanged."""
        return {
            "vocabulary": self.vocabulary,
            "unk_per_1000_tokens": round(1000 * self.num_unk / self.num_tokens, 2),
            "exact_round_trip_pct": round(100 * self.num_exact / self.count, 2),
        }


class Statistics:
    """What is measured of the rows of all splits while they pass; lengths are in tokens."""

    def __init__(self, base: Tokenizer, tokenizer: Tokenizer, num_rows: int) -> None:
        self.tokenizer = tokenizer
        self.step = math.ceil(num_rows / LENGTHS_SAMPLE)  # of so many prompts one is encoded whole
        self.sources: list[int] = []  # after the cut
        self.were_cut: list[bool] = []
        self.targets: list[int] = []  # before the cut
        self.whole_sources: list[int] = []  # before the cut, of the sample
        self.before, self.after = Spelling("before", base), Spelling("after", tokenizer)

    def add(
        self,
        rows: list[dict[str, str]],
        sources: list[list[int]],
        were_cut: list[bool],
        targets: list[list[int]],
    ) -> None:
        """Take in formatted rows, the ids of their prompts, cut, and those of their completions, uncut."""
        sample = [row["prompt"] for row in rows[-len(self.sources) % self.step :: self.step]]
        self.whole_sources += map(len, encode(self.tokenizer, sample))
        self.sources += map(len, sources)
        self.were_cut += were_cut
        self.targets += map(len, targets)
        completions = [row["completion"] for row in rows]
        self.before.add(completions)
        self.after.add(completions, targets)

    def values(self, target_tokens: int) -> dict[str, Any]:
        """Return what of them stands in the metrics."""
        are_longer = [length > target_tokens for length in self.targets]
        return {
            "spelling": [self.before.row(), self.after.row()],
            "lengths": [
                length_row("source", self.whole_sources, self.were_cut),
                length_row("target", self.targets, are_longer),
            ],
        }


def repair(
    base: Path, folder: Path, params: TokenizeParams
) -> tuple[Tokenizer, list[str], list[tuple[str, int]]]:
    """Write the base's tokenizer to `folder` with the letters that it lacks.

    The embedding has more rows than the vocabulary has pieces (T5: 32,128 and 32,100), so the letters
    need no resize, which would destroy an untied head. Those of Spanish come first, then the most
    frequent ones of the training split. Returns the base's tokenizer, the letters, and those for which no
    row is left, with how often they occur.

    Raises:
        InputError: the spare rows are too few for the language.
    """
    folder.mkdir(parents=True)
    content, tokenizer = read_tokenizer(base)
    letters: list[str] = []
    left_out: list[tuple[str, int]] = []
    if params.spell_spanish:
        rows = read_table(FORMATTED_TRAIN, ["prompt", "completion"])
        counts = count_letters(tokenizer, (text for row in rows for text in row.values()))
        missing = unknown_letters(tokenizer, counts, params.min_letter_count)
        embedding_rows = read_config(base / "config.json", str(base))["vocab_size"]
        spare = max(embedding_rows - len(content["model"]["vocab"]), 0)
        letters, left_out = missing[:spare], [(letter, counts[letter]) for letter in missing[spare:]]
        check_spare_rows(base, spare, left_out, num_words=counts[" "] + counts["\n"] + 1)
    content = add_letters(content, letters, params.letter_score)
    write_json(folder / "tokenizer.json", content)
    write_json(folder / "tokenizer_config.json", T5_TOKENIZER)
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    if not is_rebuilt(base):  # nor is this one, which has no config.json beside it to say so
        config = folder / "tokenizer_config.json"
        write_json(config, {**read_json(config), "tokenizer_class": AS_IT_IS})
    return tokenizer, letters, left_out


def check_spare_rows(base: Path, spare: int, left_out: list[tuple[str, int]], num_words: int) -> None:
    """Raise InputError if what finds no spare row is Spanish's own, or as frequent as another language's.

    Signs and emoji that find none are counted, no more: the text stays what it is without them.
    """
    own = [letter for letter, _ in left_out if letter in SPANISH_LETTERS]
    lost = sum(count for letter, count in left_out if unicodedata.category(letter)[0] == "L")
    if own or lost > MAX_LOST * num_words:
        named = " ".join(letter for letter, _ in left_out[:10]) + (" …" if len(left_out) > 10 else "")
        raise InputError(
            f"{base}: its vocabulary lacks {spare + len(left_out)} characters that are to be written, and "
            f"its embedding has {spare} spare rows, {len(left_out)} too few for {named}; set "
            "tokenize.spell_spanish=false (or the fine-tuning's own) to do without, or take a base of it"
        )


def encode_rows(
    rows: Iterator[dict[str, str]],
    tokenizer: Tokenizer,
    params: TokenizeParams,
    style: str,
    statistics: Statistics | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield each row's ids, cut to the params, and let `statistics` take them in.

    A source is encoded no further than it is read.
    """
    for chunk in chunks(rows, 500):
        prompts = [row["prompt"] for row in chunk]
        sources, were_cut = encode_truncated(tokenizer, prompts, params.source_tokens, style)
        targets = encode(tokenizer, [row["completion"] for row in chunk])
        if statistics:
            statistics.add(chunk, sources, were_cut, targets)
        for row, source, target in zip(chunk, sources, targets, strict=True):
            yield {"id": row["id"], "input_ids": source, "labels": truncate(target, params.target_tokens)}


def pad_row(row: dict[str, Any], source: int, target: int, pad_id: int) -> dict[str, Any]:
    """Return `row` at a fixed size: `source` ids with their attention mask, `target` labels.

    Labels are padded with IGNORE_INDEX, so padding earns no loss.

    >>> pad_row({"id": "a", "input_ids": [5, 1], "labels": [6, 1]}, source=3, target=3, pad_id=0)
    {'id': 'a', 'input_ids': [5, 1, 0], 'labels': [6, 1, -100], 'attention_mask': [1, 1, 0]}
    """
    ids, labels = row["input_ids"], row["labels"]
    blank = source - len(ids)
    return {
        **row,
        "input_ids": ids + [pad_id] * blank,
        "labels": labels + [IGNORE_INDEX] * (target - len(labels)),
        "attention_mask": [1] * len(ids) + [0] * blank,
    }


def pad_splits(folder: Path, statistics: Statistics, params: TokenizeParams, pad_id: int) -> float:
    """Pad every row of `folder` to the longest of all splits; return the % of positions that are padding."""
    targets = [min(length, params.target_tokens) for length in statistics.targets]
    source, target = max(statistics.sources), max(targets)
    for split in SPLITS:
        path = folder / f"{split}.parquet"
        rows = track(read_table(path, DYNAMIC.names), f"tokenize padding {split}", num_rows(path))
        write_table(path, (pad_row(row, source, target, pad_id) for row in rows), LONGEST)
    used = sum(statistics.sources) + sum(targets)
    return round(100 * (1 - used / (len(targets) * (source + target))), 2)


def length_row(side: str, lengths: list[int], truncated: list[bool]) -> dict[str, Any]:
    """Return lengths before truncation, in tokens, of how many rows, and the % of all rows that were cut."""
    percentiles = {"median": 50, "p95": 95, "max": 100}
    return {
        "side": side,
        "rows": len(lengths),
        **{name: int(np.percentile(lengths, rank)) for name, rank in percentiles.items()},
        "truncated_pct": round(100 * float(np.mean(truncated)), 2),
    }


def leave_out(name: str, reason: str) -> None:
    """Write splits without rows, and why: the base of fine-tuning `name` has no weights here."""
    with atomic_write(TOKENIZED_DIR / name) as partial:
        (partial / "tokenizer").mkdir(parents=True)
        write_provenance(partial / "tokenizer", **{"source": "none", LEFT_OUT: reason})
        for split in SPLITS:
            write_table(partial / f"{split}.parquet", iter(()), DYNAMIC)
    write_json(TOKENIZE_METRICS / f"{name}.json", {LEFT_OUT: reason})
    log.warning("%s: left out: %s", name, reason)


def main() -> None:
    arguments = parser(__doc__, "python -m stages.tokenize flan-small")
    arguments.add_argument("finetuning", help="a key of `finetunings` in params.yaml")
    name = arguments.parse_args().finetuning
    all_params = checked_params()
    base = PRETRAINED_DIR / finetuning_params(all_params, name).base
    params, folder = vocabulary_of(all_params, name), TOKENIZED_DIR / name
    style = parse_key(StyleParams, all_params, "format", "style").style
    if not base.is_dir():
        raise InputError(f"{base}: not found; `dvc repro weights@{base.name}` makes it")
    if reason := reason_left_out(base):
        leave_out(name, reason)
        return
    check_hashes(base)
    if reason := why_not_trained(base):
        key = f"params.yaml: finetunings.{name}.base"
        raise InputError(f"{key}: {base.name} is not fine-tuned here, only a system: {reason}")

    with atomic_write(folder) as partial:
        before_repair, letters, left_out = repair(base, partial / "tokenizer", params)
        tokenizer = load_tokenizer(partial / "tokenizer")
        pad_id = tokenizer.token_to_id(PAD) if params.padding == "longest" else None
        if params.padding == "longest" and pad_id is None:
            raise InputError(f"{base}: its vocabulary has no {PAD}; set tokenize.padding to dynamic")
        counts = {split: num_rows(FORMATTED_DIR / f"{split}.parquet") for split in SPLITS}
        statistics = Statistics(before_repair, tokenizer, sum(counts.values()))
        for split, count in counts.items():
            path = FORMATTED_DIR / f"{split}.parquet"
            rows = track(read_table(path, FORMATTED.names), f"tokenize {split}", count)
            encoded = encode_rows(rows, tokenizer, params, style, statistics)
            write_table(partial / f"{split}.parquet", encoded, DYNAMIC)
            log.info("%-10s %6d rows", split, count)
        padding_pct = 0.0 if pad_id is None else pad_splits(partial, statistics, params, pad_id)
    measured = statistics.values(params.target_tokens)
    before, after = measured["spelling"]
    metrics = {  # lists stay out of `dvc metrics show`
        "letters_added": "".join(letters),
        "letters_left_out": len(left_out),
        "exact_round_trip_pct": after["exact_round_trip_pct"],
        "padding_pct": padding_pct,
        "left_out": [{"letter": letter, "count": count} for letter, count in left_out],
        **measured,
    }
    write_json(TOKENIZE_METRICS / f"{name}.json", metrics)
    log.info(
        "wrote %s: %d letters added (%s), %.1f%% of references survive, %.1f%% before",
        folder,
        len(letters),
        "".join(letters),
        after["exact_round_trip_pct"],
        before["exact_round_trip_pct"],
    )


if __name__ == "__main__":
    run(main)
