"""Generate: let one system summarize the test articles, or take in somebody else's summaries.

Reads   data/formatted/test.parquet (for our template), data/raw/test.parquet (for ids, references, and a
        template of the system's own), and systems.S.from: a model folder, or a file of id and prediction (or
        summary), in any format that `fetch` reads, such as what `resumen summarize --json` writes
Writes  data/predictions/S.jsonl      id, prediction, source_tokens (read), summary_tokens (written),
                                      truncated, spelled_reference
        data/predictions/S.meta.json  what they were made with: decoding, precision, device, versions, and
                                      what they cost; that they are foreign, or why the system was left out
Params  systems.S, generate, tokenize.source_tokens, format.style

    python -m stages.generate flan-small
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from resumen.checkpoint.folder import reason_left_out
from resumen.formats.read import read_rows
from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import InputError, shown
from resumen.runtime.guards import summary_fault
from resumen.runtime.paths import PREDICTIONS_DIR, RAW_TEST
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.jsonl import write_jsonl
from resumen.schema.params import checked_params, parse_key, parse_section
from resumen.schema.predictions import FOREIGN, write_meta
from resumen.schema.rows import read_table
from resumen.schema.sections import GenerateParams, SourceParams, StyleParams
from resumen.schema.systems import system_params
from resumen.text.characters import is_missing, normalize

log = logging.getLogger("generate")


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
    return str(row_id), "" if is_missing(text) else normalize(text)


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
            f"{path}: system {system}: lacks the ids of {len(missing)} of {len(wanted)} articles, such as "
            f"{min(missing)!r}, and has {sorted(predictions)[:3]}; the ids are those of {RAW_TEST}"
        )
    if others := predictions.keys() - wanted:
        log.warning(
            "%s: %d predictions paired with the test articles; left out: %d, such as %r, of articles that "
            "`fetch` dropped or did not take",
            system,
            len(wanted),
            len(others),
            min(others),
        )
    return [
        {
            "id": row["id"],
            "prediction": predictions[row["id"]],
            "source_tokens": None,
            "summary_tokens": None,
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
    all_params = checked_params()
    system = system_params(all_params, name)
    params = parse_section(GenerateParams, all_params, "generate")
    source = parse_key(SourceParams, all_params, "tokenize", "source_tokens")
    style = parse_key(StyleParams, all_params, "format", "style")
    if reason := reason_left_out(system.path):
        write(name, [], {LEFT_OUT: reason})
    elif system.is_foreign:
        rows = list(read_table(RAW_TEST, ["id", "summary"]))
        write(name, read_external(system.path, rows, name), {"source": FOREIGN})
    else:
        share_cores(log)
        from resumen.generation.summaries import generate  # PyTorch takes seconds to import
        from resumen.model.distributed import run_under_torchrun

        if not run_under_torchrun("stages.generate"):
            generate(name, system, params, source, style, partial(write, name))


if __name__ == "__main__":
    run(main)
