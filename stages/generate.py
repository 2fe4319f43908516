"""Generate: let one system summarize the test articles, or take in somebody else's summaries.

Reads   data/formatted/test.parquet (for our template), data/raw/test.parquet (for ids, references, and a
        template of the system's own), and systems.S.from: a model folder, or a .jsonl of id and prediction
Writes  data/predictions/S.jsonl   id, prediction, source_tokens (read), truncated, spelled_reference
Params  systems.S, generate, tokenize.source_tokens, format.style

    python -m stages.generate flan-small
"""

import logging
import re
from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from stages.shared.choices import GenerateParams
from stages.shared.cli import InputError, parser, run, shown
from stages.shared.conversation import Style, fault_of
from stages.shared.decoding import generator, write_texts
from stages.shared.device import choose_dtype, prepare_torch
from stages.shared.files import numbered_jsonl, read_table, write_jsonl
from stages.shared.params import Block, parse_key, parse_section, read_params
from stages.shared.prompts import COLUMNS, fill
from stages.shared.ranks import rank, relaunched
from stages.shared.resume import fingerprint, finish, locked_folder
from stages.shared.spelling import load_tokenizer, spelled
from stages.shared.systems import SystemParams, system_params
from stages.shared.t5 import T5, check_vocabulary, load_t5
from stages.shared.truncation import encode_within

log = logging.getLogger("generate")

RAW_TEST = Path("data/raw/test.parquet")
FORMATTED_TEST = Path("data/formatted/test.parquet")
PREDICTIONS = Path("data/predictions")

MOST_CHARACTERS = 100_000  # of a summary made elsewhere; a million of them would be scored for minutes
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class SourceParams(Block):
    """What is read of `tokenize`."""

    source_tokens: PositiveInt  # longer prompts are cut


class StyleParams(Block):
    """What is read of `format`."""

    style: Style  # which way our prompts are cut


def own_prompts(system: SystemParams, rows: list[dict[str, str]]) -> list[str]:
    """Return the prompt of each of `rows`, the test articles, in their order.

    From `format`, or in the system's own template.
    """
    if system.template is not None:
        return [fill(system.template, row) for row in rows]
    prompts = {row["id"]: row["prompt"] for row in read_table(FORMATTED_TEST, ["id", "prompt"])}
    if missing := [row["id"] for row in rows if row["id"] not in prompts]:
        raise InputError(f"{FORMATTED_TEST}: lacks id {missing[0]!r} of {RAW_TEST}; run `dvc repro`")
    return [prompts[row["id"]] for row in rows]


def summarize(
    system: SystemParams,
    rows: list[dict[str, str]],
    params: GenerateParams,
    source: SourceParams,
    style: StyleParams,
    model: T5,
    what: str,
    journal: Path,
) -> list[dict[str, Any]]:
    """Return the predictions of a model, one a row of the test split, in its order.

    `style` is that of our prompts; a template of the system's own is always an instruction.
    """
    tokenizer = load_tokenizer(system.path)
    check_vocabulary(model.num_rows, tokenizer, system.path)
    prompts = own_prompts(system, rows)
    cut_as = style.style if system.template is None else "instruction"
    ids, were_cut = encode_within(tokenizer, prompts, source.source_tokens, cut_as)
    generate = generator(model, params.model_copy(update=system.decoding()))
    texts = write_texts(tokenizer, ids, generate, params.batch_size, what, journal)
    spelled_references = spelled(tokenizer, [row["summary"] for row in rows])
    return [
        {
            "id": row["id"],
            "prediction": text,
            "source_tokens": len(read),
            "truncated": was_cut,
            "spelled_reference": spelled_reference,
        }
        for row, text, read, was_cut, spelled_reference in zip(
            rows, texts, ids, were_cut, spelled_references, strict=True
        )
    ]


def check_prediction(where: str, system: str, row: dict[str, Any]) -> None:
    """Raise InputError, with system and id, unless a row made elsewhere has a summary that can be scored."""
    if not isinstance(row["id"], str):
        raise InputError(f"{where}: system {system}: id: expected text, got {shown(row['id'])}")
    text, said = row["prediction"], f"{where}: system {system}, id {row['id']!r}: prediction: expected"
    if not isinstance(text, str):
        raise InputError(f"{said} text, got {shown(text)}")
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"{said} at most {MOST_CHARACTERS:,} characters, got {len(text):,}; this is no summary"
        )
    if found := CONTROL.search(text):
        raise InputError(f"{said} no control character, got {found[0]!r}; take it out")
    if fault := fault_of(text):
        raise InputError(f"{said.removesuffix(' expected')} {fault}")


def take_in(path: Path, rows: list[dict[str, str]], system: str) -> list[dict[str, Any]]:
    """Return somebody else's predictions, in the order of the test split.

    Raises:
        InputError: the file's ids are not exactly those of the test split, or a prediction cannot be scored.
    """
    if not path.exists():
        raise InputError(f"{path}: not found; it is the `from` of systems.{system} in params.yaml")
    predictions: dict[str, str] = {}
    for number, row in numbered_jsonl(path, keys=("id", "prediction")):
        check_prediction(f"{path}:{number}", system, row)
        if row["id"] in predictions:
            raise InputError(f"{path}:{number}: system {system}: id {row['id']!r} occurs twice")
        predictions[row["id"]] = row["prediction"]
    if not predictions:
        raise InputError(
            f"{path}: system {system}: no predictions; expected an object of id and prediction a line"
        )
    wanted = {row["id"] for row in rows}
    for what, ids in (("lacks", wanted - predictions.keys()), ("has, unknown,", predictions.keys() - wanted)):
        if ids:
            raise InputError(
                f"{path}: system {system}: {what} {len(ids)} ids, such as {min(ids)!r}, of {len(wanted)} "
                "articles; the ids are those of data/raw/test.parquet"
            )
    return [
        {
            "id": row["id"],
            "prediction": predictions[row["id"]],
            "source_tokens": None,
            "truncated": None,
            "spelled_reference": row["summary"],
        }
        for row in rows
    ]


def write(name: str, predictions: list[dict[str, Any]]) -> None:
    """Write the predictions of a system, and say how many there are."""
    write_jsonl(PREDICTIONS / f"{name}.jsonl", predictions)
    truncated = sum(bool(row["truncated"]) for row in predictions)
    log.info("%s: %d predictions, %d from truncated articles", name, len(predictions), truncated)


def main() -> None:
    arguments = parser(__doc__, "python -m stages.generate flan-small")
    arguments.add_argument("system", help="a key of `systems` in params.yaml")
    name = arguments.parse_args().system
    every = read_params()
    system = system_params(every, name)
    params = parse_section(GenerateParams, every, "generate")
    source = parse_key(SourceParams, every, "tokenize", "source_tokens")
    style = parse_key(StyleParams, every, "format", "style")
    if not system.is_foreign and relaunched("stages.generate"):
        return
    columns = ("summary",) if system.template is None else COLUMNS
    rows = list(read_table(RAW_TEST, ["id", *columns]))
    if system.is_foreign:
        write(name, take_in(system.path, rows, name))
    else:
        device = prepare_torch(seed=0)  # greedy and beam search draw nothing
        dtype = choose_dtype(params.precision, device)
        prompts = [FORMATTED_TEST] if system.template is None else []
        paths = [system.path, RAW_TEST, *prompts]
        parts = fingerprint([system, params, source, style], paths, precision=f"{dtype} on {device.type}")
        with locked_folder(f"generate-{name}", parts, log) as folder:
            model, journal = load_t5(system.path, dtype, device), folder / "batches.jsonl"
            what = f"generate {name}"
            predictions = summarize(system, rows, params, source, style, model, what, journal)
            if rank() == 0:
                write(name, predictions)
                finish(folder)


if __name__ == "__main__":
    run(main)
