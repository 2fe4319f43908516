"""Generate: let one system summarize the test articles, or take in somebody else's summaries.

Reads   data/formatted/test.parquet (for our template), data/raw/test.parquet (for ids, references, and a
        template of the system's own), and systems.S.from: a model folder, or a file of id and prediction (or
        summary), in any format that `fetch` reads, such as what `resumen summarize --json` writes
Writes  data/predictions/S.jsonl      id, prediction, source_tokens (read), truncated, spelled_reference
        data/predictions/S.meta.json  what they were made with: decoding, precision, device, versions; or
                                      that they are foreign, or why the system was left out (no rows then)
Params  systems.S, generate, tokenize.source_tokens, format.style

    python -m stages.generate flan-small
"""

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from resumen.checkpoint.folder import reason_left_out
from resumen.formats.read import read_rows
from resumen.model.decoding import generate_texts, make_generate
from resumen.model.device import PRECISIONS, choose_dtype, memory_errors
from resumen.model.distributed import check_same, rank, run_under_torchrun, world_size
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.prepare import announce, prepare_torch
from resumen.model.t5 import T5
from resumen.prompts.truncation import encode_truncated
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError, shown
from resumen.runtime.fingerprint import fingerprint
from resumen.runtime.guards import summary_fault
from resumen.runtime.locks import finish, locked_folder
from resumen.runtime.paths import FORMATTED_TEST, PREDICTIONS_DIR, RAW_TEST
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.jsonl import write_jsonl
from resumen.schema.params import parse_key, parse_section, read_params
from resumen.schema.predictions import FOREIGN, write_meta
from resumen.schema.rows import read_table
from resumen.schema.sections import GenerateParams, SourceParams, StyleParams
from resumen.schema.systems import SystemParams, system_params
from resumen.text.characters import normalize
from resumen.text.prompts import TEMPLATE_FIELDS, fill_template
from resumen.vocabulary.tokenizer import load_tokenizer, round_trip

log = logging.getLogger("generate")


def system_prompts(system: SystemParams, rows: list[dict[str, str]]) -> list[str]:
    """Return the prompt of each of `rows`, the test articles, in their order.

    From `format`, or in the system's own template.
    """
    if system.template is not None:
        return [fill_template(system.template, row) for row in rows]
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
    prompts = system_prompts(system, rows)
    cut_as = style.style if system.template is None else "instruction"
    ids, were_cut = encode_truncated(tokenizer, prompts, source.source_tokens, cut_as)
    generate = make_generate(model, params.model_copy(update=system.decoding()))
    texts = generate_texts(tokenizer, ids, generate, params.batch_size, what, journal)
    spelled_references = round_trip(tokenizer, [row["summary"] for row in rows])
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


def made_with(
    system: SystemParams, params: GenerateParams, dtype: torch.dtype, device: torch.device
) -> dict[str, Any]:
    """Return what the summaries of a model are made with: the decoding, the arithmetic, the libraries."""
    chosen = params.model_copy(update=system.decoding())
    length_penalty = {"length_penalty": chosen.length_penalty} if chosen.num_beams > 1 else {}
    return {
        "num_beams": chosen.num_beams,
        "max_new_tokens": chosen.max_new_tokens,
        "no_repeat_ngram_size": chosen.no_repeat_ngram_size,
        **length_penalty,
        "precision": PRECISIONS[dtype],
        "device": device.type,
        **{name: version(name).partition("+")[0] for name in ("torch", "transformers")},  # no build tag
    }


def prediction_columns(has: list[str], where: str) -> list[str]:
    """Return the columns of a file of predictions that hold the id and the summary."""
    summary = next((name for name in ("prediction", "summary") if name in has), None)
    if summary is None or "id" not in has:
        raise InputError(
            f"{where}: expected the columns id and prediction (or summary), has {has}; rename them"
        )
    return ["id", summary]


def check_prediction(where: str, row_id: Any, text: Any) -> tuple[str, str]:
    """Return the id and the summary of a row made elsewhere.

    Raises:
        InputError: the summary cannot be scored; the message names the id.
    """
    if isinstance(row_id, bool) or not isinstance(row_id, str | int):
        raise InputError(f"{where}: id: expected text or a whole number, got {shown(row_id)}")
    message = f"{where}, id {row_id!r}: prediction:"
    if not isinstance(text, str):
        raise InputError(f"{message} expected text, got {shown(text)}")
    if fault := summary_fault(text):
        raise InputError(f"{message} {fault}")
    return str(row_id), normalize(text)


def read_external(path: Path, rows: list[dict[str, str]], system: str) -> list[dict[str, Any]]:
    """Return somebody else's predictions, in the order of the test split.

    A file for the whole published split has more ids than the rows that `fetch` kept; those are left out.

    Raises:
        InputError: the file lacks an id of the test split, or a prediction cannot be scored.
    """
    if not path.exists():
        raise InputError(f"{path}: not found; it is the `from` of systems.{system} in params.yaml")
    predictions: dict[str, str] = {}
    columns: list[str] = []

    def choose(has: list[str]) -> list[str]:
        columns.extend(prediction_columns(has, f"{path}: system {system}"))
        return columns

    for where, row in read_rows(path, choose, separator=None):
        row_id, text = check_prediction(f"{where}: system {system}", *(row.get(name) for name in columns))
        if row_id in predictions:
            raise InputError(f"{where}: system {system}: id {row_id!r} occurs twice")
        predictions[row_id] = text
    wanted = {row["id"] for row in rows}
    if missing := wanted - predictions.keys():
        raise InputError(
            f"{path}: system {system}: lacks {len(missing)} ids, such as {min(missing)!r}, of {len(wanted)} "
            f"articles; the ids are those of {RAW_TEST}"
        )
    if others := predictions.keys() - wanted:
        log.warning(
            "%s: %d predictions paired with the %d test articles; not %d others, such as %r: `fetch` dropped "
            "them, or did not take so many",
            system,
            len(wanted),
            len(wanted),
            len(others),
            min(others),
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


def write(name: str, predictions: list[dict[str, Any]], meta: dict[str, Any]) -> None:
    """Write the predictions of a system and what they were made with, and say how many there are."""
    write_jsonl(PREDICTIONS_DIR / f"{name}.jsonl", predictions)
    write_meta(name, meta)
    if LEFT_OUT in meta:
        log.warning("%s: left out: %s", name, meta[LEFT_OUT])
        return
    truncated = sum(bool(row["truncated"]) for row in predictions)
    log.info("%s: %d predictions, %d from truncated articles", name, len(predictions), truncated)


def main() -> None:
    arguments = parser(__doc__, "python -m stages.generate flan-small")
    arguments.add_argument("system", help="a key of `systems` in params.yaml")
    name = arguments.parse_args().system
    all_params = read_params()
    system = system_params(all_params, name)
    params = parse_section(GenerateParams, all_params, "generate")
    source = parse_key(SourceParams, all_params, "tokenize", "source_tokens")
    style = parse_key(StyleParams, all_params, "format", "style")
    if reason := reason_left_out(system.path):
        write(name, [], {LEFT_OUT: reason})
        return
    if not system.is_foreign and run_under_torchrun("stages.generate"):
        return
    columns = ("summary",) if system.template is None else TEMPLATE_FIELDS
    rows = list(read_table(RAW_TEST, ["id", *columns]))
    if system.is_foreign:
        write(name, read_external(system.path, rows, name), {"source": FOREIGN})
    else:
        device = prepare_torch(seed=0)  # greedy and beam search draw nothing
        dtype = choose_dtype(params.precision, device)
        announce(log, device, dtype)
        prompts = [FORMATTED_TEST] if system.template is None else []
        paths = [system.path, RAW_TEST, *prompts]
        parts = fingerprint([system, params, source, style], paths, precision=f"{dtype} on {device.type}")
        check_same(parts)
        with locked_folder(f"generate-{name}", parts, log, rank(), world_size()) as folder:
            model, journal = load_t5(system.path, dtype, device), folder / "batches.jsonl"
            what = f"generate {name}"
            with memory_errors("generate.batch_size", params.batch_size):
                predictions = summarize(system, rows, params, source, style, model, what, journal)
            if rank() == 0:
                write(name, predictions, made_with(system, params, dtype, device))
                finish(folder)


if __name__ == "__main__":
    run(main)
