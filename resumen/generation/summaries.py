"""Generation: the summaries of a system's model for the test articles, and what they were made with."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

from resumen.generation.models import TextModel, open_model
from resumen.model.decoding import generate_in_batches
from resumen.model.device import PRECISIONS, choose_dtype, memory_errors
from resumen.model.distributed import check_same, rank, world_size
from resumen.model.prepare import announce, prepare_torch
from resumen.runtime.budget import users_budget
from resumen.runtime.errors import InputError
from resumen.runtime.fingerprint import fingerprint
from resumen.runtime.locks import finish, locked_folder
from resumen.runtime.paths import FORMATTED_TEST, RAW_TEST
from resumen.schema.predictions import COST
from resumen.schema.rows import read_table
from resumen.schema.sections import GenerateParams, SourceParams, StyleParams
from resumen.schema.systems import SystemParams
from resumen.text.prompts import TEMPLATE_FIELDS, fill_template
from resumen.vocabulary.tokenizer import Ids

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


def read_prompts(
    system: SystemParams,
    rows: list[dict[str, str]],
    source: SourceParams,
    style: StyleParams,
    model: TextModel,
) -> tuple[list[Ids], list[bool]]:
    """Return the ids of each prompt as the model reads it, and whether it was cut.

    `style` is that of our prompts; a template of the system's own is always an instruction.
    """
    cut_as = style.style if system.template is None else "instruction"
    return model.encode(system_prompts(system, rows), source.source_tokens, cut_as)


def predictions_of(
    model: TextModel,
    rows: list[dict[str, str]],
    ids: list[Ids],
    were_cut: list[bool],
    written: list[Ids],
) -> list[dict[str, Any]]:
    """Return the predictions of a model, one a row of the test split: what it read, what it has `written`."""
    texts = model.decode(written)
    spelled_references = model.round_trip([row["summary"] for row in rows])
    return [
        {
            "id": row["id"],
            "prediction": text,
            "source_tokens": len(read),
            "summary_tokens": len(output),
            "truncated": was_cut,
            "spelled_reference": spelled_reference,
        }
        for row, text, read, output, was_cut, spelled_reference in zip(
            rows, texts, ids, written, were_cut, spelled_references, strict=True
        )
    ]


def made_with(chosen: GenerateParams, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Return what the summaries of a model are made with: the decoding, the arithmetic, the libraries."""
    memory = {} if (own := users_budget()) is None else {"memory_gb": own}
    length_penalty = {"length_penalty": chosen.length_penalty} if chosen.num_beams > 1 else {}
    return {
        "num_beams": chosen.num_beams,
        "max_new_tokens": chosen.max_new_tokens,
        "no_repeat_ngram_size": chosen.no_repeat_ngram_size,
        **length_penalty,
        "precision": PRECISIONS[dtype],
        "device": device.type,
        **memory,
        **{name: version(name).partition("+")[0] for name in ("torch", "transformers")},  # no build tag
    }


def generate(
    name: str,
    system: SystemParams,
    params: GenerateParams,
    source: SourceParams,
    style: StyleParams,
    write: Callable[[list[dict[str, Any]], dict[str, Any]], None],
) -> None:
    """Let the model of system `name` summarize the test articles, or go on with it, and `write` them.

    `write` is given the predictions and what they were made with, once, by rank 0.
    """
    columns = ("summary",) if system.template is None else TEMPLATE_FIELDS
    rows = list(read_table(RAW_TEST, ["id", *columns]))
    device = prepare_torch(seed=0)  # greedy and beam search draw nothing
    dtype = choose_dtype(params.precision, device)
    announce(log, device, dtype)
    chosen = params.model_copy(update=system.overrides())
    model = open_model(
        system.path, chosen, dtype, device, system.generate
    )  # the code that it takes counts too
    formatted = [FORMATTED_TEST] if system.template is None else []
    paths = [system.path, RAW_TEST, *formatted]
    parts = fingerprint(
        [system, params, source, style, users_budget()], paths, precision=f"{dtype} on {device.type}"
    )
    check_same(parts)
    ids, were_cut = read_prompts(system, rows, source, style, model)
    key, lengths = f"systems.{name}.batch_size", [len(row) for row in ids]
    split_as = f"{key}: {name}, its batches of {chosen.batch_size} split as they are,"
    with locked_folder(f"generate-{name}", parts, log, rank(), world_size()) as folder:
        journal, what = folder / "batches.jsonl", f"generate {name}"
        with memory_errors(key, chosen.batch_size):
            write_all = model.load(split_as, lengths, chosen.batch_size)
            written = generate_in_batches(ids, write_all, chosen.batch_size, what, journal)
        if rank() == 0:
            predictions = predictions_of(model, rows, ids, were_cut, written)
            meta = made_with(chosen, model.dtype, device) | model.made_with()
            cost = model.cost([(len(read), len(output)) for read, output in zip(ids, written, strict=True)])
            write(predictions, {**meta, COST: cost})
            finish(folder)
