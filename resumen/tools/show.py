"""Show: follow one row through the pipeline, from the article to what each system made of it.

Reads   data/raw, data/formatted, data/tokenized, data/predictions, data/scores.parquet, and tokenizer.json
        of data/tokenized/F/tokenizer and models/pretrained/<base>; what is not there yet is named
Writes  nothing
Params  systems, finetunings, format.style; which are miniatures: checkpoints, weights

    resumen show                        the first test article
    resumen show train-5 --full         a training row, its texts whole
    resumen show test-1 --system finetuned
    resumen show train-5 --finetuning t5-small
    resumen show test-1 --json          the same as one JSON object
"""

import difflib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text
from tokenizers import Encoding, Tokenizer

from resumen.checkpoint.folder import reason_left_out
from resumen.page.languages import Bilingual, bilingual
from resumen.page.table import BASELINES, is_miniature, main_finetuning
from resumen.page.terminal import localized, number
from resumen.prompts.truncation import encode_lines, truncate_turns
from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError, nearest
from resumen.runtime.paths import (
    FORMATTED_DIR,
    PREDICTIONS_DIR,
    PRETRAINED_DIR,
    RAW_DIR,
    SCORES_FILE,
    TOKENIZED_DIR,
)
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.finetunings import finetuning_params
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import parse_key, read_params
from resumen.schema.predictions import read_meta
from resumen.schema.rows import SPLITS, load_table, open_parquet, read_table, references_of
from resumen.schema.sections import StyleParams
from resumen.schema.systems import EXTRACTIVE, system_names, system_params
from resumen.scoring.registry import measures_in
from resumen.text.words import word_pattern, words
from resumen.vocabulary.tokenizer import (
    IGNORE_INDEX,
    UNK,
    count_unknown,
    load_tokenizer,
    normalized_text,
    round_trip,
)

View = dict[str, Any]  # what is shown of a border, as --json has it; {"problem": why it is not there}
Field = tuple[str, str | Text, str]  # label, text, and the key of SHOWN if a long text is shortened

LABEL_COLUMNS = 16  # of a label and its indent
MIN_COLUMNS, MAX_COLUMNS = 40, 110  # of a line
SHOWN = {"words": (40, 20), "pieces": (40, 20), "ids": (8, 4)}  # how many of a long text, first and last
PADDING = {
    "dynamic": Bilingual(
        "none stored: a batch pads its rows to its own longest (tokenize.padding: dynamic)",
        "no se guarda: cada lote rellena sus filas hasta la más larga (tokenize.padding: dynamic)",
    ),
    "longest": Bilingual(
        f"{{source}} positions of the source, {{labels}} of the labels ({IGNORE_INDEX}, which earns "
        "no loss), up to the longest row of all (tokenize.padding: longest)",
        f"{{source}} posiciones de la entrada y {{labels}} de las etiquetas ({IGNORE_INDEX}, que no cuentan "
        "en la pérdida), hasta la fila más larga de todas (tokenize.padding: longest)",
    ),
}
LEGEND = Bilingual(
    ": not in the article. ROUGE and chrF: points of 100, against the best of the references. Lost words: of "
    "the reference, that the vocabulary cannot write. New bigrams: neighbouring words that are no neighbours "
    "in the article. Repeated trigrams: runs of three words that came before. Length ratio: to the "
    "reference.",
    ": no está en el artículo. ROUGE y chrF: puntos sobre 100, frente a la mejor referencia. Palabras "
    "perdidas: las de la referencia que el vocabulario no sabe escribir. Bigramas nuevos: palabras seguidas "
    "que no van seguidas en el artículo. Trigramas repetidos: tríos de palabras que ya habían salido. "
    "Longitud relativa: dividida por la de la referencia.",
)
MINIATURE = Bilingual(
    " a miniature: a stand-in that knows only our made-up news.",
    " Una miniatura es un sustituto que solo conoce nuestras noticias inventadas.",
)
BORDERS = {  # of the pipeline, at which a row is shown: what has been done, and where it lies
    "raw": Bilingual(
        "`fetch` brought the news into one shape: {raw}", "`fetch` dio a las noticias una forma común: {raw}"
    ),
    "formatted": Bilingual(
        "`format` put it inside its prompt: {formatted}", "`format` la puso en su instrucción: {formatted}"
    ),
    "tokenized": Bilingual(
        "`tokenize` made pieces and their ids of it: {tokenized}; ▁ begins a word, </s> is the end",
        "`tokenize` la convirtió en piezas con sus números: {tokenized}; ▁ marca el comienzo de una palabra "
        "y </s> es el final",
    ),
    "predictions": Bilingual(
        "`extract` and `generate` summarized it, `evaluate` scored it: {predictions}, {scores}",
        "`extract` y `generate` la resumieron y `evaluate` la puntuó: {predictions}, {scores}",
    ),
}
WORDS_UNIT = Bilingual("words", "palabras")
UNITS_SHOWN = {
    "words": WORDS_UNIT,
    "pieces": Bilingual("pieces", "piezas"),
    "ids": Bilingual("ids", "identificadores"),
}
PIECES_READ, PIECES_LEARNT = (
    Bilingual("read", "leen"),
    Bilingual("learnt", "aprenden"),
)  # what is done with pieces


# What is read.


def require_output(path: Path, stage: str) -> Path:
    """Return `path`; if it is not there, an InputError names the stage that makes it."""
    if not path.exists():
        raise InputError(f"{path}: not found; `dvc repro {stage}` makes it")
    return path


def find_row(path: Path, row_id: str) -> View | None:
    """Return the row of a Parquet file with this id, or None; of the rest only the ids are read."""
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            index = pc.index(file.read_row_group(group, ["id"])["id"], row_id).as_py()
            if index >= 0:
                return dict(file.read_row_group(group).slice(index, 1).to_pylist()[0])
    return None


def read_row(path: Path, stage: str, row_id: str) -> View:
    """Return the row with this id of a file that `stage` wrote.

    Raises:
        InputError: there is no file, or no such row in it.
    """
    if require_output(path, stage).suffix == ".jsonl":
        row = next((row for row in read_jsonl(path, ("id", "prediction")) if row["id"] == row_id), None)
    else:
        row = find_row(path, row_id)
    if row is None:
        raise InputError(f"{path}: lacks id {row_id!r} of {RAW_DIR}; run `dvc repro {stage}`")
    return row


def locate(row_id: str | None, splits: Sequence[str]) -> tuple[str, View]:
    """Return the first of `splits` that has a row with this id, and the row; without an id, the first row.

    Raises:
        InputError: no split has it; the message names the nearest ids.
    """
    paths = {split: require_output(RAW_DIR / f"{split}.parquet", "fetch") for split in splits}
    first = paths[splits[0]]
    if row_id is None:
        row_id = next((row["id"] for row in read_table(first, ["id"])), None)
        if row_id is None:
            raise InputError(f"{first}: has no rows; set data.{splits[0]} and run `dvc repro fetch`")
    for split, path in paths.items():
        if row := find_row(path, row_id):
            return split, row
    by_split = [[row["id"] for row in read_table(path, ["id"])] for path in paths.values()]
    all_ids = [one for some in by_split for one in some]
    ending = [one for one in all_ids if one.endswith(f"-{row_id}")]  # a number alone
    close = ending or difflib.get_close_matches(row_id, all_ids)
    hint = f"did you mean {' or '.join(close)}?" if close else "take one of those"
    known = ", ".join(f"{some[0]} … {some[-1]}" for some in by_split if some)
    where = first if len(splits) == 1 else RAW_DIR
    raise InputError(f"{where}: no row has this id, got {row_id!r}; ids are {known}; {hint}")


def attempt(read: Callable[..., View], *given: Any) -> View:
    """Return what `read` returns or, where something is missing, what and which stage makes it."""
    try:
        return read(*given)
    except InputError as error:
        return {"problem": str(error)}


# What is seen at each border.


def marked_pieces(tokenizer: Tokenizer, encoding: Encoding) -> list[str]:
    """Return the pieces of a text, those that the vocabulary lacks as `<unk:ñ>`."""
    unk = tokenizer.token_to_id(UNK)
    pairs = zip(encoding.ids, encoding.tokens, strict=True)
    return [f"<unk:{piece}>" if token == unk else piece for token, piece in pairs]


def side_view(tokenizer: Tokenizer, text: str, ids: list[int], style: str = "instruction") -> View:
    """Return a prompt or a completion as pieces, and what of it was cut; `ids` are stored, without padding.

    A gap stands before piece number `before`, from 0.

    Raises:
        InputError: `ids` are not those of `text`.
    """
    encoding = tokenizer.encode(text)
    lines = [[], encoding.ids[:-1], encoding.ids[-1:]]  # an instruction is one turn and its </s>
    if style == "conversation":
        lines = encode_lines(tokenizer, [text])[0]
    indices = iter(range(len(encoding.ids)))
    kept = truncate_turns([list(islice(indices, len(line))) for line in lines], len(ids))
    if [encoding.ids[index] for index in kept] != ids:
        raise InputError(f"{TOKENIZED_DIR}: not the ids of {FORMATTED_DIR}; `dvc repro tokenize` makes them")
    gaps = []
    for before, (last, index) in enumerate(pairwise([-1, *kept])):  # </s> is kept: no gap is at the end
        if num_cut := index - last - 1:
            cut = text[encoding.offsets[last + 1][0] : encoding.offsets[index - 1][1]]
            gaps.append({"before": before, "pieces": num_cut, "words": len(words(cut)), "text": cut})
    all_pieces = marked_pieces(tokenizer, encoding)
    pieces, num_unk = [all_pieces[index] for index in kept], count_unknown(tokenizer, ids)
    return {"ids": ids, "pieces": pieces, "of": len(all_pieces), "num_unk": num_unk, "gaps": gaps}


def vocabulary_view(name: str, tokenizer: Tokenizer, text: str) -> View:
    """Return how a vocabulary spells `text`, and the words of it that do not come back as they were."""
    encoding, given = tokenizer.encode(text), list(dict.fromkeys(text.split()))
    return {
        "vocabulary": name,
        "pieces": marked_pieces(tokenizer, encoding),
        "num_unk": count_unknown(tokenizer, encoding.ids),
        "written": round_trip(tokenizer, [text])[0],
        "lost": [
            {"word": word, "written": written}
            for word, written in zip(given, round_trip(tokenizer, given), strict=True)
            if written != normalized_text(tokenizer, word)
        ],
    }


def formatted_view(split: str, row_id: str) -> View:
    """Return what is shown of a row of data/formatted."""
    row = read_row(FORMATTED_DIR / f"{split}.parquet", "format", row_id)
    return {name: row[name] for name in ("prompt", "completion")}


def tokenized_view(split: str, row_id: str, all_params: View, finetuning: str) -> View:
    """Return what is shown of a row of data/tokenized/F; `all_params` is params.yaml."""
    base, folder = finetuning_params(all_params, finetuning).base, TOKENIZED_DIR / finetuning
    if reason := reason_left_out(PRETRAINED_DIR / base):
        raise InputError(f"{finetuning}: left out: {reason}")
    stage = f"tokenize@{finetuning}"
    style = parse_key(StyleParams, all_params, "format", "style").style
    row = read_row(folder / f"{split}.parquet", stage, row_id)
    prompt, completion = formatted_view(split, row_id).values()
    own = load_tokenizer(require_output(folder / "tokenizer", stage))
    pretrained = load_tokenizer(require_output(PRETRAINED_DIR / base, f"weights@{base}"))
    mask, labels = row.get("attention_mask"), [token for token in row["labels"] if token != IGNORE_INDEX]
    ids = row["input_ids"] if mask is None else row["input_ids"][: sum(mask)]
    source = side_view(own, prompt, ids, style)
    everywhere, cut = Counter(words(prompt)), Counter(words(" ".join(gap["text"] for gap in source["gaps"])))
    return {
        "finetuning": finetuning,
        "source": source,
        "wanted_and_cut": [
            word for word in dict.fromkeys(words(completion)) if 0 < everywhere[word] <= cut[word]
        ],
        "padding": {
            "kind": "dynamic" if mask is None else "longest",
            "source": len(row["input_ids"]) - len(ids),
            "labels": len(row["labels"]) - len(labels),
        },
        "labels": side_view(own, completion, labels),
        "source_unk_of_base": count_unknown(pretrained, pretrained.encode(prompt).ids),
        "vocabularies": [
            vocabulary_view(base, pretrained, completion),
            vocabulary_view(str(folder / "tokenizer"), own, completion),
        ],
    }


def system_view(system: str, raw: View, all_params: View, scores: View | None) -> View:
    """Return what is shown of a system's summary."""
    entry = None if system in EXTRACTIVE else system_params(all_params, system)
    stage = f"generate@{system}" if entry else "extract"
    path = require_output(PREDICTIONS_DIR / f"{system}.jsonl", stage)
    if entry and (reason := read_meta(system).get(LEFT_OUT)):
        raise InputError(f"left out: {reason}")
    row = read_row(path, stage, raw["id"])
    known = set(words(raw["text"]))
    return {
        "from": entry.source if entry else BASELINES[system],
        "miniature": entry is not None and is_miniature(all_params, system),
        "template": entry.template if entry else None,
        **{name: row.get(name) for name in ("prediction", "source_tokens", "truncated")},
        "words_not_in_article": [word for word in words(row["prediction"]) if word not in known],
        "scores": scores,
    }


def scores_view(row_id: str) -> View:
    """Return the scores of an article, by system."""
    table = load_table(require_output(SCORES_FILE, "evaluate"))
    rows = table.filter(pc.equal(table["id"], row_id)).drop_columns("id").to_pylist()
    return {row.pop("system"): row for row in rows}


def predictions_view(split: str, raw: View, all_params: View, systems: Sequence[str]) -> View:
    """Return what each of `systems` made of an article, and its scores."""
    if split != "test":
        raise InputError(
            f"only test articles are summarized and scored, and this is a row of {split}; "
            "`resumen show` takes the first test article"
        )
    scores = attempt(scores_view, raw["id"])
    problem = {"scores_problem": scores.pop("problem")} if "problem" in scores else {}
    views = [attempt(system_view, name, raw, all_params, scores.get(name)) for name in systems]
    return {
        "systems": [{"system": name, **view} for name, view in zip(systems, views, strict=True)],
        **problem,
    }


def view_of(row_id: str | None, split: str | None, system: str | None, finetuning: str | None = None) -> View:
    """Return all that is shown of a row.

    Raises:
        InputError: there is no such row or system, no raw data, or a fault in params.yaml.
    """
    all_params = read_params()
    systems = [*EXTRACTIVE, *system_names(all_params)]
    if system is not None and system not in systems:
        raise InputError(f"--system: no such system, got {system!r}{nearest(system, systems)}")
    if finetuning is None:  # the one behind the system that is shown, if it is one
        own = system_params(all_params, system).finetuning if system and system not in EXTRACTIVE else None
        finetuning = own or main_finetuning(all_params)
    finetuning_params(all_params, finetuning)
    split, raw = locate(row_id, [split] if split else SPLITS[::-1])
    kept = {name: value for name, value in raw.items() if value and name not in ("id", "text", "summary")}
    for name in ("text", "summary"):
        kept |= {name: raw[name], f"{name}_words": len(words(raw[name]))}
    return {
        "id": raw["id"],
        "split": split,
        "raw": kept,
        "formatted": attempt(formatted_view, split, raw["id"]),
        "tokenized": attempt(tokenized_view, split, raw["id"], all_params, finetuning),
        "predictions": attempt(predictions_view, split, raw, all_params, [system] if system else systems),
    }


# How it is shown.


def printable_lines(text: str) -> str:
    """Return `text` line by line, white space collapsed, what does not print as �.

    >>> printable_lines("Llueve \\x1b[2J\\n\\n  en Ávila")
    'Llueve �[2J\\nen Ávila'
    """
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join("".join(sign if sign.isprintable() else "�" for sign in line) for line in lines if line)


def shortened(text: Text, unit: str) -> Text:
    """Return `text`, the middle of a long one as the number of `unit` that it has."""
    first, last = SHOWN[unit]
    spans = [match.span() for match in re.finditer(r"\S+", text.plain)]
    if (left_out := len(spans) - first - last) <= last:
        return text
    note = (f" … {left_out} {localized(UNITS_SHOWN[unit])} … ", "dim")
    return Text.assemble(text[: spans[first - 1][1]], note, text[spans[-last][0] :])


def marked(summary: str, new: set[str]) -> Text:
    """Return a summary, those of its words that are in `new` in brackets."""
    text = printable_lines(summary)
    parts = re.split(f"({word_pattern(text).pattern})", text)
    return Text.assemble(*((f"[{one}]", "yellow") if new & set(words(one)) else one for one in parts))


def spaced(pieces: Sequence[str], gaps: Sequence[View] = ()) -> Text:
    """Return pieces as one text, in red what the vocabulary lacks and how many are cut.

    >>> spaced(["▁El", "▁río", "</s>"], [{"before": 2, "pieces": 7}]).plain
    '▁El ▁río ✂7 </s>'
    """
    texts = [Text(printable_lines(piece), "red" if piece.startswith("<unk:") else "") for piece in pieces]
    for gap in gaps:
        texts[gap["before"]] = Text.assemble((f"✂{gap['pieces']} ", "red"), texts[gap["before"]])
    return Text(" ").join(texts)


def raw_fields(view: View) -> Iterator[Field]:
    """Yield the fields of the first border."""
    units = {"title": "words", "topic": "words", "date": "words", "url": ""}
    yield from ((name, view[name], unit) for name, unit in units.items() if name in view)
    yield from ((turn["role"], turn["content"], "words") for turn in view.get("messages", ()))
    for name in ("text", "summary"):
        yield name, view[name], "words"
        yield "", Text(f"({view[f'{name}_words']} {localized(UNITS_SHOWN['words'])})", "dim"), ""
    yield from (("reference", text, "words") for text in view.get("references", ()))


def side_fields(label: str, verb: Bilingual, view: View) -> Iterator[Field]:
    """Yield the fields of a prompt or a completion as pieces; `verb` says what is done with them."""
    num_pieces, gaps = len(view["pieces"]), view["gaps"]
    how_many = Bilingual(f"all {num_pieces}", f"las {num_pieces}")
    if gaps:
        how_many = Bilingual(f"{num_pieces} of {view['of']}", f"{num_pieces} de {view['of']}")
    done = Bilingual(f"{how_many.en} pieces are {verb.en}", f"se {verb.es} {how_many.es} piezas")
    yield label, f"{localized(done)}; {view['num_unk']} <unk>", ""
    yield "", spaced(view["pieces"], gaps), "pieces"
    yield "  ids", " ".join(map(str, view["ids"])), "ids"
    for gap in gaps:
        words_cut, text = gap["words"], " ".join(gap["text"].split())
        cut = Bilingual(
            f"pieces, {words_cut} words, are not {verb.en}: {text}",
            f"piezas, {words_cut} palabras, no se {verb.es}: {text}",
        )
        label = f"  {localized(Bilingual('cut', 'corte'))}"
        yield label, Text.assemble((f"✂{gap['pieces']} ", "red"), printable_lines(localized(cut))), "words"


def tokenized_fields(view: View) -> Iterator[Field]:
    """Yield the fields of the third border."""
    yield from side_fields(localized(Bilingual("source", "entrada")), PIECES_READ, view["source"])
    if wanted := view["wanted_and_cut"]:
        only_cut = Bilingual(
            "of the completion, these words stand only in what is cut:",
            "estas palabras del resumen solo están en lo que se corta:",
        )
        yield "", Text.assemble((localized(only_cut), "red"), " ", " ".join(wanted)), ""
    padding = localized(PADDING[view["padding"]["kind"]]).format(**view["padding"])
    yield localized(Bilingual("padding", "relleno")), padding, ""
    yield from side_fields(localized(Bilingual("labels", "etiquetas")), PIECES_LEARNT, view["labels"])
    there_and_back = Bilingual(
        "the completion to pieces and back, in two vocabularies:",
        "el resumen, convertido en piezas y reconstruido, con dos vocabularios:",
    )
    yield localized(Bilingual("spelling", "escritura")), localized(there_and_back), ""
    base, own = view["vocabularies"]
    tuned = localized(Bilingual("fine-tuned", "ajustado"))
    for label, vocabulary in ((base["vocabulary"], base), (tuned, own)):
        yield from spelling_fields(label, vocabulary)
        if vocabulary is base and (count := view["source_unk_of_base"]):
            in_prompt = Bilingual(
                f"the prompt would have {count} <unk> in it", f"la instrucción tendría {count} <unk>"
            )
            yield "", localized(in_prompt), ""


def spelling_fields(label: str, vocabulary: View) -> Iterator[Field]:
    """Yield what a vocabulary loses of a completion."""
    nothing = localized(Bilingual("(nothing)", "(nada)"))
    lost = [f"{word['word']} → {word['written'] or nothing}" for word in vocabulary["lost"]]
    if not lost:
        same = Bilingual("every word comes back as it was", "todas las palabras vuelven intactas")
        yield f"  {label}", localized(same), ""
        return
    message = Bilingual(
        f"{len(lost)} words, signs included, do not come back as they were:",
        f"{len(lost)} palabras, contando sus signos, no vuelven intactas:",
    )
    yield f"  {label}", f"{vocabulary['num_unk']} <unk>; {localized(message)}", ""
    yield "", " · ".join(lost), ""
    yield "", spaced(vocabulary["pieces"]), "pieces"


def describe_scores(scores: View) -> str:
    """Return the scores of a summary that are shown; --json has them all."""
    described = []
    for name, measure in measures_in("page", "es").items():
        if name not in scores:  # those of content words, where the language has none
            continue
        value, places = scores[name], {"count": 0, "ratio": 2}.get(measure.unit, 1)
        shown = number(100 * value, 0) if measure.unit == "share" else number(value, places)
        label = localized(Bilingual(measure.en, measure.es))
        described.append(f"{label} {shown}{' %' * (measure.unit == 'share')}")
    return " · ".join(described)


def predictions_fields(view: View, raw: View) -> Iterator[Field]:
    """Yield the fields of the last border."""
    legend = localized(LEGEND)
    if any(row.get("miniature") for row in view["systems"]):
        legend += localized(MINIATURE)
    word = localized(Bilingual("[word]", "[palabra]"))
    yield "", Text.assemble((word, "yellow"), (legend, "dim")), ""
    yield "", "", ""
    for reference in references_of(raw):
        yield localized(Bilingual("reference", "referencia")), reference, "words"
    for row in view["systems"]:
        yield "", "", ""
        if "problem" in row:
            yield row["system"], row["problem"], ""
            continue
        yield row["system"], Text(printable_lines(localized(origin_of(row))), "dim"), ""
        empty = localized(Bilingual("(empty)", "(vacío)"))
        yield "", marked(row["prediction"], set(row["words_not_in_article"])) or empty, "words"
        none = localized(Bilingual("no scores yet", "aún sin puntuaciones"))
        yield "", describe_scores(row["scores"]) if row["scores"] else none, ""
    if "scores_problem" in view:
        yield "", "", ""
        yield "scores", view["scores_problem"], ""


def origin_of(row: View) -> Bilingual:
    """Return where a summary is from: the model, its prompt, and how much of it was read."""
    origin = bilingual(row["from"])
    if row["miniature"]:
        origin = Bilingual(f"a miniature, {origin.en}", f"una miniatura, {origin.es}")
    if row["template"]:
        asked = repr(row["template"])
        origin = Bilingual(f"{origin.en}, asked {asked}", f"{origin.es}, con la instrucción «{asked[1:-1]}»")
    if row["source_tokens"] is not None:
        how_much = Bilingual("all of its prompt", "la instrucción entera")
        if row["truncated"]:
            how_much = Bilingual("its prompt was cut", "la instrucción está cortada")
        count = row["source_tokens"]
        origin = Bilingual(
            f"{origin.en}, read {count} pieces, {how_much.en}",
            f"{origin.es}, leyó {count} piezas: {how_much.es}",
        )
    return origin


def all_fields(view: View) -> Iterator[Field]:
    """Yield all that is shown of a row."""
    split, raw = view["split"], view["raw"]
    file, tokenized = f"{split}.parquet", TOKENIZED_DIR / view["tokenized"].get("finetuning", "")
    files = {
        **{"raw": RAW_DIR / file, "formatted": FORMATTED_DIR / file, "tokenized": tokenized / file},
        **{"predictions": PREDICTIONS_DIR, "scores": SCORES_FILE},
    }
    fields = {
        "raw": raw_fields(raw),
        "formatted": ((name, text, "words") for name, text in view["formatted"].items()),
        "tokenized": tokenized_fields(view["tokenized"]),
        "predictions": predictions_fields(view["predictions"], raw),
    }
    of_split = Bilingual(f"a row of the {split} split", f"una fila de la partición de {bilingual(split).es}")
    yield printable_lines(view["id"]), localized(of_split), ""
    missing = localized(Bilingual("not shown", "no se ve"))
    for place, (name, message) in enumerate(BORDERS.items(), start=1):
        yield "", "", ""
        yield f"{place} {name}", Text(localized(message).format(**files), "dim"), ""
        problem = view[name].get("problem")
        for label, text, unit in [(missing, problem, "")] if problem else fields[name]:
            yield f"  {label}", text, unit


def rendered(view: View, full: bool) -> str:
    """Return all that is shown of a row, folded, in colour if stdout takes it.

    Each text stands beside its label, or below a label that is too long.
    """
    console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto")
    console.width = min(max(console.width, MIN_COLUMNS), MAX_COLUMNS)
    with console.capture() as capture:
        for label, content, unit in all_fields(view):
            text = content if isinstance(content, Text) else Text(printable_lines(content))
            if unit and not full:
                text = shortened(text, unit)
            unbroken = [] if unit else text.plain.split()  # addresses and paths, to be copied
            lines = list(text.wrap(console, max([console.width - LABEL_COLUMNS, *map(len, unbroken)])))
            if len(label) >= LABEL_COLUMNS:
                lines.insert(0, Text())
            for line in lines:
                row = Text.assemble((label, "bold"), " " * (LABEL_COLUMNS - len(label)), line)
                row.rstrip()
                console.print(row, soft_wrap=True)
                label = ""
    return capture.get()


def main() -> None:
    options = parser(__doc__, "resumen show test-1")
    options.add_argument("id", nargs="?", help="of a row of data/raw; without it, the first of the split")
    options.add_argument("--split", choices=SPLITS, help="look in this split only (without an id: test)")
    options.add_argument("--system", help="show this system's summary only")
    options.add_argument("--finetuning", metavar="F", help="show the pieces of this one's vocabulary")
    options.add_argument("--full", action="store_true", help="leave nothing out of long texts")
    options.add_argument("--json", action="store_true", help="write one JSON object with all of it")
    given = options.parse_args()
    view = view_of(given.id, given.split, given.system, given.finetuning)
    output = (
        json.dumps(view, ensure_ascii=False, indent=2) + "\n" if given.json else rendered(view, given.full)
    )
    sys.stdout.write(output)
