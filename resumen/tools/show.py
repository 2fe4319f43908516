"""Show: follow one row through the pipeline, from the article to what each system made of it.

Reads   data/raw, data/formatted, data/tokenized, data/predictions, data/scores.parquet, and tokenizer.json
        of data/tokenized/tokenizer and models/pretrained/<base>; what is not there yet is named
Writes  nothing
Params  systems, finetune.base, format.style; which are miniatures: checkpoints, weights

    resumen show                        the first test article
    resumen show train-5 --full         a training row, its texts whole
    resumen show test-1 --system finetuned
    resumen show test-1 --json          the same as one JSON object
"""

import argparse
import difflib
import json
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from tokenizers import Encoding, Tokenizer

from resumen.page.table import BASELINES, is_miniature
from resumen.prompts.truncation import encode_lines
from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError, nearest
from resumen.runtime.files import opened
from resumen.runtime.paths import (
    FORMATTED_DIR,
    PREDICTIONS_DIR,
    PRETRAINED_DIR,
    RAW_DIR,
    SCORES_FILE,
    TOKENIZED_DIR,
    TOKENIZER_DIR,
)
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import parse_key, read_params
from resumen.schema.rows import SPLITS, load_table, open_parquet, parquet_errors
from resumen.schema.sections import BaseParams, StyleParams
from resumen.schema.systems import EXTRACTIVE, SystemParams, system_names, system_params
from resumen.text.words import WORD, words
from resumen.vocabulary.tokenizer import (
    IGNORE_INDEX,
    UNK,
    count_unknown,
    load_tokenizer,
    normalized_text,
    round_trip,
)

View = dict[str, Any]  # what is shown of a border, as --json has it; {"problem": why it is not there}

LABEL_COLUMNS = 16  # of a label and its indent
MIN_COLUMNS, MAX_COLUMNS = 40, 110  # of a line
HEAD, TAIL = 40, 20  # words or pieces of a long text that are shown
NUM_IDS = 12  # that are shown beside the pieces

# Signs that no printable text has, so that lines are folded first and coloured last; each is one column.
NEW, CUT, BOLD, DIM, END_NEW, END = (chr(code) for code in range(0xE000, 0xE006))
PLAIN = str.maketrans({NEW: "[", END_NEW: "]", CUT: "", BOLD: "", DIM: "", END: ""})
COLOURED = str.maketrans(
    {
        NEW: "\x1b[33m[",  # yellow
        END_NEW: "]\x1b[0m",
        CUT: "\x1b[31m",  # red
        BOLD: "\x1b[1m",
        DIM: "\x1b[2m",
        END: "\x1b[0m",
    }
)

LEGEND = (
    f"{NEW}word{END_NEW}: not in the article. ROUGE and chrF: points of 100, against the reference. new "
    "pairs: neighbouring words that are no neighbours in the article. repeated: runs of three words that "
    "came before. lost: words of the reference that the vocabulary cannot write."
)
MINIATURE = "a miniature: a stand-in that knows only our made-up news."


# What is seen at each border: from values to values.


def raw_view(row: View) -> View:
    """Return what is shown of a row of data/raw: all that it holds, and its words."""
    kept = {name: value for name, value in row.items() if value and name not in ("id", "text", "summary")}
    return {
        **kept,
        "text": row["text"],
        "text_words": len(words(row["text"])),
        "summary": row["summary"],
        "summary_words": len(words(row["summary"])),
    }


def marked_pieces(encoding: Encoding, unk: int | None) -> list[str]:
    """Return the pieces of a text, those that the vocabulary lacks as `<unk:ñ>`."""
    pairs = zip(encoding.ids, encoding.tokens, strict=True)
    return [f"<unk:{piece}>" if token == unk else piece for token, piece in pairs]


def are_read(lines: list[list[int]], num_read: int) -> list[bool]:
    """Return whether each id of a prompt is read, of which `truncation.within` left `num_read`.

    `lines` are a header, turns and a mark; an instruction is one turn between nothing and its </s>.

    >>> are_read([[], [7, 8, 9], [1]], 3)
    [True, True, False, True]
    >>> are_read([[1], [2, 2], [3, 3], [5, 0]], 5)
    [True, False, False, True, True, True, True]
    """
    header, *turns, mark = lines
    room = num_read - len(header) - len(mark)
    dropped = 0
    while len(turns) > 1 and sum(map(len, turns)) > room:
        dropped += len(turns[0])
        turns = turns[1:]
    over = sum(map(len, turns)) - room
    return [True] * len(header) + [False] * dropped + [True] * room + [False] * over + [True] * len(mark)


def side_view(tokenizer: Tokenizer, text: str, lines: list[list[int]], ids: list[int]) -> View:
    """Return a prompt or a completion as pieces, and what of it was cut; `ids` are stored, without padding.

    A gap stands before piece number `before`, from 0.

    Raises:
        InputError: `ids` are not those of `text`.
    """
    encoding = tokenizer.encode(text)
    read = are_read(lines, len(ids))
    if [token for token, is_read in zip(encoding.ids, read, strict=False) if is_read] != ids:
        raise InputError(f"{TOKENIZED_DIR}: not the ids of {FORMATTED_DIR}; run `dvc repro tokenize`")
    indices = list(
        zip(encoding.offsets, marked_pieces(encoding, tokenizer.token_to_id(UNK)), read, strict=True)
    )
    pieces: list[str] = []
    gaps = []
    for is_read, group in groupby(indices, key=lambda index: index[2]):
        part = list(group)
        if is_read:
            pieces += [piece for _, piece, _ in part]
        else:
            lost = text[part[0][0][0] : part[-1][0][1]]
            gaps.append({"before": len(pieces), "pieces": len(part), "words": len(words(lost)), "text": lost})
    num_unk = count_unknown(tokenizer, ids)
    return {"ids": ids, "pieces": pieces, "of": len(indices), "num_unk": num_unk, "gaps": gaps}


def vocabulary_view(name: str, tokenizer: Tokenizer, text: str) -> View:
    """Return how a vocabulary spells `text`, and the words of it that do not come back as they were."""
    encoding = tokenizer.encode(text)
    given = list(dict.fromkeys(text.split()))
    pairs = zip(given, round_trip(tokenizer, given), strict=True)
    return {
        "vocabulary": name,
        "pieces": marked_pieces(encoding, tokenizer.token_to_id(UNK)),
        "num_unk": count_unknown(tokenizer, encoding.ids),
        "written": round_trip(tokenizer, [text])[0],
        "lost": [
            {"word": word, "written": back}
            for word, back in pairs
            if back != normalized_text(tokenizer, word)
        ],
    }


def only_in(parts: Sequence[str], prompt: str, completion: str) -> list[str]:
    """Return the words of the completion that stand in these parts of the prompt and nowhere else in it.

    >>> only_in(["gana el Betis."], "Hoy juega el Betis: gana el Betis.", "El Betis gana.")
    ['gana']
    """
    here, everywhere = Counter(word for part in parts for word in words(part)), Counter(words(prompt))
    return [word for word in dict.fromkeys(words(completion)) if 0 < everywhere[word] <= here[word]]


def tokenized_view(
    row: View, formatted: View, tokenizer: Tokenizer, base: tuple[str, Tokenizer], style: str
) -> View:
    """Return what is shown of a row of data/tokenized; `base` is the checkpoint's name and own tokenizer."""
    prompt, completion = formatted["prompt"], formatted["completion"]
    mask, labels = row.get("attention_mask"), [token for token in row["labels"] if token != IGNORE_INDEX]
    ids = row["input_ids"] if mask is None else row["input_ids"][: sum(mask)]
    whole_ids, target = tokenizer.encode(prompt).ids, tokenizer.encode(completion).ids
    is_talk = style == "conversation"
    lines = encode_lines(tokenizer, [prompt])[0] if is_talk else [[], whole_ids[:-1], whole_ids[-1:]]
    source = side_view(tokenizer, prompt, lines, ids)
    return {
        "source": source,
        "wanted_and_cut": only_in([gap["text"] for gap in source["gaps"]], prompt, completion),
        "padding": {
            "kind": "dynamic" if mask is None else "longest",
            "source": len(row["input_ids"]) - len(ids),
            "labels": len(row["labels"]) - len(labels),
        },
        "labels": side_view(tokenizer, completion, [[], target[:-1], target[-1:]], labels),
        "source_unk_of_base": count_unknown(base[1], base[1].encode(prompt).ids),
        "vocabularies": [
            vocabulary_view(base[0], base[1], completion),
            vocabulary_view(str(TOKENIZER_DIR), tokenizer, completion),
        ],
    }


def prediction_view(
    system: str, entry: SystemParams | None, is_small: bool, output: View, article: str, scores: View | None
) -> View:
    """Return what is shown of a system's summary; `entry` is None for one that copies sentences.

    `is_small`: a miniature wrote it.
    """
    known = set(words(article))
    return {
        "system": system,
        "from": entry.source if entry else BASELINES[system],
        "miniature": is_small,
        "template": entry.template if entry else None,
        **{name: output.get(name) for name in ("prediction", "source_tokens", "truncated")},
        "words_not_in_article": [word for word in words(output["prediction"]) if word not in known],
        "scores": scores,
    }


# How it is shown: from values to lines.


def printable_lines(text: str) -> str:
    """Return `text` line by line, white space collapsed, what does not print as �.

    >>> printable_lines("Llueve \\x1b[2J\\n\\n  en Ávila")
    'Llueve �[2J\\nen Ávila'
    """
    squeezed = (" ".join(line.split()) for line in text.split("\n"))
    lines = ["".join(letter if letter.isprintable() else "�" for letter in line) for line in squeezed]
    return "\n".join(line for line in lines if line)


def shortened(text: str, full: bool) -> str:
    """Return `text`, the middle of a long one as the number of words that it has."""
    indices = [result.span() for result in re.finditer(r"\S+", text)]
    left_out = len(indices) - HEAD - TAIL
    if full or left_out <= TAIL:
        return text
    note = f"{DIM}… {left_out} words …{END}"
    return f"{text[: indices[HEAD - 1][1]]} {note} {text[indices[-TAIL][0] :]}"


def spaced(pieces: Sequence[str], gaps: Sequence[View], full: bool) -> str:
    """Return pieces as one text: <unk> marked, a gap as ✂ and its pieces, the middle of many as a number.

    >>> spaced(["▁El", "▁río", "</s>"], [{"before": 2, "pieces": 7}], full=True).translate(PLAIN)
    '▁El ▁río ✂7 </s>'
    """
    shown = [
        f"{CUT}{printable_lines(piece)}{END}" if piece.startswith("<unk:") else printable_lines(piece)
        for piece in pieces
    ]
    for gap in gaps:  # there is a piece after each: </s>
        shown[gap["before"]] = f"{CUT}✂{gap['pieces']}{END} {shown[gap['before']]}"
    left_out = len(shown) - HEAD - TAIL
    if not full and left_out > TAIL:
        shown[HEAD:-TAIL] = [f"{DIM}… {left_out} pieces …{END}"]
    return " ".join(shown)


def marked(prediction: str, article: str) -> str:
    """Return a summary, its words that the article does not have marked.

    >>> marked("Llueve en Ávila.", "Hoy llueve en León.").translate(PLAIN)
    'Llueve en [Ávila].'
    """
    known = set(words(article))
    return WORD.sub(
        lambda word: word[0] if known.issuperset(words(word[0])) else f"{NEW}{word[0]}{END_NEW}", prediction
    )


def field(label: str, text: str, width: int) -> list[str]:
    """Return `text` folded to `width` columns beside its label; its own line ends stay."""
    first, margin = f"  {label}".ljust(LABEL_COLUMNS - 1) + " ", " " * LABEL_COLUMNS
    lines: list[str] = []
    for line in text.split("\n"):
        lines += fold(line, width, margin if lines else first, margin)
    return [f"  {BOLD}{label}{END}{lines[0][2 + len(label) :]}", *lines[1:]] if label else lines


def fold(text: str, width: int, first: str = "", margin: str = "") -> list[str]:
    """Return the lines of `text`, at least one, the first after `first`, the others after `margin`."""
    folder = textwrap.TextWrapper(
        max(width, MIN_COLUMNS),
        initial_indent=first,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return folder.wrap(text) or [first.rstrip()]


def heading(number: int, name: str, message: str, width: int) -> list[str]:
    """Return the lines that begin a border."""
    return ["", *fold(f"{BOLD}{number} {name}{END} {DIM}· {message}{END}", width, margin="  ")]


def raw_lines(view: View, width: int, full: bool) -> list[str]:
    """Return the lines of the first border."""
    lines = []
    for name in ("title", "topic", "date", "url"):
        if name in view:
            lines += field(name, printable_lines(view[name]), width)
    for turn in view.get("messages", ()):
        lines += field(turn["role"], shortened(printable_lines(turn["content"]), full), width)
    for name in ("text", "summary"):
        lines += field(name, shortened(printable_lines(view[name]), full), width)
        lines += field("", f"{DIM}({view[f'{name}_words']} words){END}", width)
    return lines


def formatted_lines(view: View, width: int, full: bool) -> list[str]:
    """Return the lines of the second border."""
    return [
        line
        for name in ("prompt", "completion")
        for line in field(name, shortened(printable_lines(view[name]), full), width)
    ]


def side_lines(label: str, what: str, view: View, width: int, full: bool) -> list[str]:
    """Return the lines of a prompt or a completion as pieces; `what` says what is done with them."""
    count, gaps = len(view["pieces"]), view["gaps"]
    message = f"all {count} pieces are {what}" if not gaps else f"{count} of {view['of']} pieces are {what}"
    lines = field(label, f"{message}; {view['num_unk']} <unk>", width)
    lines += field("", spaced(view["pieces"], gaps, full), width)
    ids, more = view["ids"], len(view["ids"]) - NUM_IDS
    message = " ".join(map(str, ids if full or more <= 0 else ids[:NUM_IDS]))
    lines += field("  ids", message if full or more <= 0 else f"{message} {DIM}… {more} more{END}", width)
    for gap in gaps:
        text = f"{CUT}✂{gap['pieces']}{END} pieces, {gap['words']} words, are not {what}: "
        lines += field(
            "  cut", text + shortened(printable_lines(gap["text"]).replace("\n", " "), full), width
        )
    return lines


def describe_padding(padding: View) -> str:
    """Return how a row is padded."""
    if padding["kind"] == "dynamic":
        return "none stored: a batch pads its rows to its own longest (tokenize.padding: dynamic)"
    return (
        f"{padding['source']} positions of the source, {padding['labels']} of the labels ({IGNORE_INDEX}, "
        "which earns no loss), up to the longest row of all (tokenize.padding: longest)"
    )


def spelling_lines(label: str, view: View, width: int, full: bool) -> list[str]:
    """Return the lines on how a vocabulary spells the completion, in pieces where it loses something."""
    lost = [
        f"{printable_lines(word['word'])} → {printable_lines(word['written']) or '(nothing)'}"
        for word in view["lost"]
    ]
    if not lost:
        return field(label, "every word comes back as it was", width)
    message = f"{view['num_unk']} <unk>; {len(lost)} words, signs included, do not come back as they were:"
    return [
        *field(label, message, width),
        *field("", " · ".join(lost), width),
        *field("", spaced(view["pieces"], [], full), width),
    ]


def tokenized_lines(view: View, width: int, full: bool) -> list[str]:
    """Return the lines of the third border."""
    base, own = view["vocabularies"]
    lines = side_lines("source", "read", view["source"], width, full)
    if view["wanted_and_cut"]:
        message = f"{CUT}of the completion, these words stand only in what is cut:{END} "
        lines += field("", message + " ".join(view["wanted_and_cut"]), width)
    lines += field("padding", describe_padding(view["padding"]), width)
    lines += side_lines("labels", "learnt", view["labels"], width, full)
    lines += field("spelling", "the completion to pieces and back, in two vocabularies:", width)
    lines += spelling_lines(f"  {base['vocabulary']}", base, width, full)
    if view["source_unk_of_base"]:
        lines += field("", f"the prompt would have {view['source_unk_of_base']} <unk> in it", width)
    return lines + spelling_lines("  finetuned", own, width, full)


def describe_scores(scores: View, reference_words: int) -> str:
    """Return the scores of a summary that are shown; --json has them all."""
    rouge = " · ".join(f"ROUGE-{name} {scores[f'rouge{name}']:.1f}" for name in "L12")
    return (
        f"{rouge} · chrF {scores['chrf']:.1f} · {scores['prediction_words']} words"
        f" · new pairs {100 * scores['novel_bigrams']:.0f} %"
        f" · repeated {100 * scores['repeated_trigrams']:.0f} %"
        f" · lost {scores['lost_words']} of {reference_words}"
    )


def prediction_lines(view: View, raw: View, width: int, full: bool) -> list[str]:
    """Return the lines of one system."""
    if "problem" in view:
        return field(view["system"], view["problem"], width)
    read = ""
    if view["source_tokens"] is not None:
        how_much = "its prompt was cut" if view["truncated"] else "all of its prompt"
        read = f", read {view['source_tokens']} pieces, {how_much}"
    asked = f", asked {printable_lines(view['template'])!r}" if view["template"] else ""
    small = "a miniature, " if view["miniature"] else ""
    lines = field(view["system"], f"{DIM}{small}{view['from']}{asked}{read}{END}", width)
    text = shortened(marked(printable_lines(view["prediction"]), raw["text"]), full)
    lines += field("", text or "(empty)", width)
    message = describe_scores(view["scores"], raw["summary_words"]) if view["scores"] else "no scores yet"
    return lines + field("", message, width)


def predictions_lines(view: View, raw: View, width: int, full: bool) -> list[str]:
    """Return the lines of the last border."""
    has_small = any(row.get("miniature") for row in view["systems"])
    lines = field("", f"{DIM}{LEGEND}{f' {MINIATURE}' if has_small else ''}{END}", width)
    lines += ["", *field("reference", shortened(printable_lines(raw["summary"]), full), width)]
    for row in view["systems"]:
        lines += ["", *prediction_lines(row, raw, width, full)]
    if "scores_problem" in view:
        lines += ["", *field("scores", view["scores_problem"], width)]
    return lines


def lines_of(view: View, width: int, full: bool) -> list[str]:
    """Return all that is shown of a row, folded to `width` columns, with the signs of PLAIN and COLOURED."""
    split, raw = view["split"], view["raw"]
    lines = [f"{BOLD}{view['id']}{END}, a row of the {split} split"]
    parts: list[tuple[str, str, Callable[..., list[str]]]] = [
        ("raw", f"`fetch` brought the news into one shape: {RAW_DIR}/{split}.parquet", raw_lines),
        ("formatted", f"`format` put it inside its prompt: {FORMATTED_DIR}/{split}.parquet", formatted_lines),
        (
            "tokenized",
            f"`tokenize` made pieces and their ids of it: {TOKENIZED_DIR}/{split}.parquet; ▁ begins a word, "
            "</s> is the end",
            tokenized_lines,
        ),
        (
            "predictions",
            f"`extract` and `generate` summarized it, `evaluate` scored it: {PREDICTIONS_DIR}, {SCORES_FILE}",
            lambda *shown: predictions_lines(shown[0], raw, *shown[1:]),
        ),
    ]
    for number, (name, message, lines_of_border) in enumerate(parts, start=1):
        lines += heading(number, name, message, width)
        border = view[name]
        problem = border.get("problem")
        lines += field("not shown", problem, width) if problem else lines_of_border(border, width, full)
    return lines


# Where it comes from.


def require_output(path: Path, stage: str) -> Path:
    """Return `path`, which `stage` writes.

    Raises:
        InputError: it is not there.
    """
    if not path.exists():
        raise InputError(f"{path}: not found; `dvc repro {stage}` makes it")
    return path


def find_row(path: Path, row_id: str) -> View | None:
    """Return the row of a Parquet file with this id, or None; of the rest only the ids are read."""
    with opened(path, "rb") as source, parquet_errors(path), open_parquet(source) as file:
        for group in range(file.num_row_groups):
            index = pc.index(file.read_row_group(group, ["id"])["id"], row_id).as_py()
            if index >= 0:
                row: View = file.read_row_group(group).slice(index, 1).to_pylist()[0]
                return row
    return None


def ids_of(path: Path) -> list[str]:
    """Return the ids of a Parquet file, in its order."""
    with opened(path, "rb") as source, parquet_errors(path), open_parquet(source) as file:
        ids: list[str] = file.read(["id"])["id"].to_pylist()
        return ids


def read_row(folder: Path, split: str, stage: str, row_id: str) -> View:
    """Return a row that `stage` wrote.

    Raises:
        InputError: there is no file, or no such row in it.
    """
    path = require_output(folder / f"{split}.parquet", stage)
    row = find_row(path, row_id)
    if row is None:
        raise InputError(f"{path}: lacks id {row_id!r} of {RAW_DIR}; run `dvc repro {stage}`")
    return row


def locate(row_id: str | None, splits: Sequence[str]) -> tuple[str, View]:
    """Return a split and its raw row with this id, from the first of `splits` that has it.

    Without an id, it is the first row of the first split.

    Raises:
        InputError: no split has it; the message names the nearest ids.
    """
    paths = {split: require_output(RAW_DIR / f"{split}.parquet", "fetch") for split in splits}
    if row_id is None:
        split, path = next(iter(paths.items()))
        ids = ids_of(path)
        if not ids:
            raise InputError(f"{path}: has no rows; set data.{split} and run `dvc repro fetch`")
        row_id = ids[0]
    for split, path in paths.items():
        if row := find_row(path, row_id):
            return split, row
    by_split = {split: ids_of(path) for split, path in paths.items()}
    all_ids = [one for some in by_split.values() for one in some]
    ending = [one for one in all_ids if one.endswith(f"-{row_id}")]  # a number alone
    close = ending or difflib.get_close_matches(row_id, all_ids)
    hint = f"did you mean {' or '.join(close)}?" if close else "take one of those"
    known = ", ".join(f"{some[0]} … {some[-1]}" for some in by_split.values() if some)
    where = f"{RAW_DIR}/{splits[0]}.parquet" if len(splits) == 1 else str(RAW_DIR)
    raise InputError(f"{where}: no row has this id, got {row_id!r}; ids are {known}; {hint}")


def prediction_of(system: str, row_id: str) -> View:
    """Return what a system wrote about an article, as `generate` and `extract` store it.

    Raises:
        InputError: its file is missing, or lacks the article.
    """
    stage = "extract" if system in EXTRACTIVE else f"generate@{system}"
    path = require_output(PREDICTIONS_DIR / f"{system}.jsonl", stage)
    for row in read_jsonl(path, ("id", "prediction")):
        if row["id"] == row_id:
            return row
    raise InputError(f"{path}: lacks id {row_id!r} of {RAW_DIR}; run `dvc repro {stage}`")


def scores_of(row_id: str) -> dict[str, View]:
    """Return the scores of an article, by system.

    Raises:
        InputError: there is no file of scores.
    """
    table = load_table(require_output(SCORES_FILE, "evaluate"))
    rows = table.filter(pc.equal(table["id"], row_id)).to_pylist()
    return {row.pop("system"): {k: v for k, v in row.items() if k != "id"} for row in rows}


def attempt(read: Callable[[], View]) -> View:
    """Return what `read` returns or, where something is missing, what and which stage makes it."""
    try:
        return read()
    except InputError as error:
        return {"problem": str(error)}


def formatted_border(split: str, row_id: str) -> View:
    """Return the second border of a row."""
    row = read_row(FORMATTED_DIR, split, "format", row_id)
    return {name: row[name] for name in ("prompt", "completion")}


def tokenized_border(split: str, row_id: str, all_params: View) -> View:
    """Return the third border of a row; `all_params` is params.yaml."""
    base = parse_key(BaseParams, all_params, "finetune", "base").base
    style = parse_key(StyleParams, all_params, "format", "style").style
    row = read_row(TOKENIZED_DIR, split, "tokenize", row_id)
    formatted = read_row(FORMATTED_DIR, split, "format", row_id)
    own = load_tokenizer(require_output(TOKENIZER_DIR, "tokenize"))
    bases = load_tokenizer(require_output(PRETRAINED_DIR / base, f"weights@{base}"))
    return tokenized_view(row, formatted, own, (base, bases), style)


def predictions_border(split: str, raw: View, all_params: View, systems: Sequence[str]) -> View:
    """Return the last border of a row."""
    if split != "test":
        raise InputError(
            f"only test articles are summarized and scored, and this is a row of {split}; "
            "`resumen show` takes the first test article"
        )
    scored = attempt(lambda: scores_of(raw["id"]))
    problem = scored.get("problem")

    def of(system: str) -> View:
        entry = None if system in EXTRACTIVE else system_params(all_params, system)
        written = prediction_of(system, raw["id"])
        is_small = entry is not None and is_miniature(all_params, system)
        scores = None if problem else scored.get(system)
        return prediction_view(system, entry, is_small, written, raw["text"], scores)

    views = [{"system": system, **attempt(partial(of, system))} for system in systems]
    return {"systems": views, **({"scores_problem": problem} if problem else {})}


def view_of(row_id: str | None, split: str | None, system: str | None) -> View:
    """Return all that is shown of a row.

    Raises:
        InputError: there is no such row or system, no raw data, or a fault in params.yaml.
    """
    all_params = read_params()
    systems = [*EXTRACTIVE, *system_names(all_params)]
    if system is not None and system not in systems:
        raise InputError(f"--system: no such system, got {system!r}{nearest(system, systems)}")
    found_split, raw = locate(row_id, [split] if split else SPLITS[::-1])
    row_id = raw["id"]
    return {
        "id": row_id,
        "split": found_split,
        "raw": raw_view(raw),
        "formatted": attempt(lambda: formatted_border(found_split, row_id)),
        "tokenized": attempt(lambda: tokenized_border(found_split, row_id, all_params)),
        "predictions": attempt(
            lambda: predictions_border(found_split, raw, all_params, [system] if system else systems)
        ),
    }


def write_out(text: str) -> None:
    """Write `text` to stdout; a reader that stops early, such as `head`, is fine."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # typeshed: any TextIO
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # else Python complains at exit, when it flushes what is left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    options = parser(__doc__, "resumen show test-1")
    options.add_argument("id", nargs="?", help="of a row of data/raw; without it, the first of the split")
    options.add_argument("--split", choices=SPLITS, help="look in this split only (without an id: test)")
    options.add_argument("--system", help="show this system's summary only")
    options.add_argument("--full", action="store_true", help="leave nothing out of long texts")
    options.add_argument("--json", action="store_true", help="write one JSON object with all of it")
    return options.parse_args()


def main() -> None:
    given = arguments()
    view = view_of(given.id, given.split, given.system)
    if given.json:
        write_out(json.dumps(view, ensure_ascii=False, indent=2) + "\n")
        return
    width = min(shutil.get_terminal_size().columns, MAX_COLUMNS)
    in_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    signs = COLOURED if in_colour else PLAIN
    write_out("".join(f"{line.translate(signs)}\n" for line in lines_of(view, width, given.full)))
