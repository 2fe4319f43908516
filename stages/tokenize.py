"""Tokenize: teach the base's vocabulary to spell, then turn prompts and completions into token ids.

Reads   data/formatted/{split}.parquet, models/pretrained/<base>/ (tokenizer.json, config.json)
Writes  data/tokenized/{split}.parquet   id, input_ids, labels (and attention_mask with padding: longest)
        data/tokenized/tokenizer/        what the fine-tuned model will carry
        metrics/tokenize.json            spelling before and after; lengths, truncation, padding
Params  tokenize, finetune.base, format.style

    python -m stages.tokenize
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import NegativeFloat, PositiveInt
from tokenizers import Tokenizer

from stages.shared.cli import InputError, parser, run
from stages.shared.conversation import Style
from stages.shared.files import (
    FORMATTED,
    SPLITS,
    num_rows,
    read_json,
    read_table,
    whole,
    write_json,
    write_table,
)
from stages.shared.params import Block, load_params, parse_key, read_params
from stages.shared.progress import track
from stages.shared.spelling import (
    IGNORE_INDEX,
    PAD,
    UNK,
    chunks,
    cut,
    encode,
    folded,
    load_tokenizer,
    spelled,
    unknown_letters,
    with_letters,
)
from stages.shared.truncation import encode_within

log = logging.getLogger("tokenize")

FORMATTED_DIR = Path("data/formatted")
TOKENIZED_DIR = Path("data/tokenized")
PRETRAINED = Path("models/pretrained")
METRICS = Path("metrics/tokenize.json")
TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json")

Lengths = tuple[int, int, int]  # in tokens: source and target before the cut, source after it

IDS = pa.list_(pa.int32())
DYNAMIC = pa.schema([("id", pa.string()), ("input_ids", IDS), ("labels", IDS)])
LONGEST = DYNAMIC.insert(2, pa.field("attention_mask", IDS))


class TokenizeParams(Block):
    source_tokens: PositiveInt  # longer prompts are cut, as format.style says; </s> included
    target_tokens: PositiveInt  # longer completions are cut; </s> included
    padding: Literal["dynamic", "longest"]
    spell_spanish: bool  # give missing letters the spare rows of the embedding
    min_letter_count: PositiveInt  # occurrences in the training split before a letter earns a row
    letter_score: NegativeFloat  # log-probability of a new letter in the Unigram vocabulary


class BaseParams(Block):
    base: str  # the checkpoint whose vocabulary is taught to spell


class StyleParams(Block):
    """What is read of `format`."""

    style: Style  # which way a prompt that is too long is cut


def repair(base: Path, folder: Path, params: TokenizeParams) -> list[str]:
    """Write the base's tokenizer to `folder`, with the letters that it lacks, and return them.

    The embedding has more rows than the vocabulary has pieces (T5: 32,128 and 32,100), so the letters
    need no resize, which would destroy an untied head. Those of Spanish come first, then the most
    frequent ones of the training split.
    """
    folder.mkdir(parents=True)
    content, tokenizer = read_json(base / "tokenizer.json"), load_tokenizer(base)
    letters: list[str] = []
    if params.spell_spanish:
        rows = read_table(FORMATTED_DIR / "train.parquet", ["prompt", "completion"])
        texts = (text for row in rows for text in (row["prompt"], row["completion"]))
        spare = read_json(base / "config.json")["vocab_size"] - len(content["model"]["vocab"])
        letters = unknown_letters(tokenizer, texts, params.min_letter_count)[: max(spare, 0)]
    content = with_letters(content, letters, params.letter_score)
    write_json(folder / "tokenizer.json", content)
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    return letters


def encode_rows(
    rows: Iterator[dict[str, str]],
    tokenizer: Tokenizer,
    params: TokenizeParams,
    style: str,
    lengths: list[Lengths],
) -> Iterator[dict[str, list[int]]]:
    """Yield each row's ids, cut to the params; append its lengths, in tokens: source, target, kept source.

    The first two are before the cut; a conversation may lose more than its limit asks for.
    """
    for chunk in chunks(rows, 500):
        prompts = [row["prompt"] for row in chunk]
        sources, uncut = encode_within(tokenizer, prompts, params.source_tokens, style)
        targets = encode(tokenizer, [row["completion"] for row in chunk])
        for row, source, length, target in zip(chunk, sources, uncut, targets, strict=True):
            lengths.append((length, len(target), len(source)))
            yield {"id": row["id"], "input_ids": source, "labels": cut(target, params.target_tokens)}


def pad_row(row: dict[str, list[int]], source: int, target: int, pad_id: int) -> dict[str, list[int]]:
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


def pad_splits(folder: Path, lengths: list[Lengths], params: TokenizeParams, pad_id: int) -> float:
    """Pad every row of `folder` to the longest of all splits; return the % of positions that are padding.

    `lengths` are those of all rows.
    """
    sources = [kept for _, _, kept in lengths]
    targets = [min(target, params.target_tokens) for _, target, _ in lengths]
    source, target = max(sources), max(targets)
    for split in SPLITS:
        path = folder / f"{split}.parquet"
        rows = track(read_table(path, DYNAMIC.names), f"tokenize padding {split}", num_rows(path))
        write_table(path, (pad_row(row, source, target, pad_id) for row in rows), LONGEST)
    used = sum(sources) + sum(targets)
    return round(100 * (1 - used / (len(lengths) * (source + target))), 2)


def spelling(vocabulary: str, tokenizer: Tokenizer, texts: list[str]) -> dict[str, Any]:
    """Return <unk> per 1,000 tokens, and the % of texts that encode and decode leave unchanged."""
    unk = tokenizer.token_to_id(UNK)
    rows = encode(tokenizer, texts)
    num_unk, num_tokens = sum(row.count(unk) for row in rows), sum(map(len, rows))
    back = spelled(tokenizer, texts)
    exact = sum(after == folded(tokenizer, text) for text, after in zip(texts, back, strict=True))
    return {
        "vocabulary": vocabulary,
        "unk_per_1000_tokens": round(1000 * num_unk / num_tokens, 2),
        "exact_round_trip_pct": round(100 * exact / len(texts), 2),
    }


def length_row(side: str, lengths: list[int], limit: int) -> dict[str, Any]:
    """Return lengths before truncation, in tokens, and the % of rows that were cut at `limit`."""
    percentiles = {"median": 50, "p95": 95, "max": 100}
    return {
        "side": side,
        **{name: int(np.percentile(lengths, rank)) for name, rank in percentiles.items()},
        "truncated_pct": round(100 * float((np.array(lengths) > limit).mean()), 2),
    }


def main() -> None:
    parser(__doc__, "python -m stages.tokenize").parse_args()
    params = load_params(TokenizeParams, "tokenize")
    every = read_params()
    base = PRETRAINED / parse_key(BaseParams, every, "finetune", "base").base
    style = parse_key(StyleParams, every, "format", "style").style
    if not base.is_dir():
        raise InputError(f"{base}: not found; finetune.base must name a checkpoint with weights")

    with whole(TOKENIZED_DIR) as partial:
        letters = repair(base, partial / "tokenizer", params)
        tokenizer = load_tokenizer(partial / "tokenizer")
        lengths: dict[str, list[Lengths]] = {split: [] for split in SPLITS}
        for split in SPLITS:
            path = FORMATTED_DIR / f"{split}.parquet"
            rows = track(read_table(path, FORMATTED.names), f"tokenize {split}", num_rows(path))
            encoded = encode_rows(rows, tokenizer, params, style, lengths[split])
            write_table(partial / f"{split}.parquet", encoded, DYNAMIC)
            log.info("%-10s %6d rows", split, len(lengths[split]))
        of_all = [row for split in SPLITS for row in lengths[split]]
        padding_pct = 0.0
        if params.padding == "longest":
            padding_pct = pad_splits(partial, of_all, params, tokenizer.token_to_id(PAD))
        references = [
            row["completion"]
            for split in SPLITS
            for row in read_table(FORMATTED_DIR / f"{split}.parquet", ["completion"])
        ]
        before = spelling("before", load_tokenizer(base), references)
        after = spelling("after", tokenizer, references)
    sources, targets, _ = zip(*of_all, strict=True)
    metrics = {  # lists stay out of `dvc metrics show`
        "letters_added": "".join(letters),
        "exact_round_trip_pct": after["exact_round_trip_pct"],
        "padding_pct": padding_pct,
        "spelling": [before, after],
        "lengths": [
            length_row("source", sources, params.source_tokens),
            length_row("target", targets, params.target_tokens),
        ],
    }
    write_json(METRICS, metrics)
    log.info(
        "wrote %s: %d letters added (%s), %.1f%% of references survive, %.1f%% before",
        TOKENIZED_DIR,
        len(letters),
        "".join(letters),
        after["exact_round_trip_pct"],
        before["exact_round_trip_pct"],
    )


if __name__ == "__main__":
    run(main)
