"""Generation: the summaries of a system's model for the test articles, and what they were made with."""

import logging
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from tokenizers import Tokenizer

from resumen.checkpoint.config import ModelConfig
from resumen.model.decoding import check_generation, generate_in_batches, make_generate
from resumen.model.device import PRECISIONS, choose_dtype, memory_errors
from resumen.model.distributed import check_same, rank, world_size
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.memory import generation_need, users_budget
from resumen.model.operations import num_parameters, summary_operations
from resumen.model.prepare import announce, prepare_torch
from resumen.model.t5 import T5
from resumen.prompts.truncation import encode_truncated
from resumen.runtime.errors import InputError
from resumen.runtime.fingerprint import fingerprint
from resumen.runtime.locks import finish, locked_folder
from resumen.runtime.paths import FORMATTED_TEST, RAW_TEST
from resumen.schema.predictions import COST
from resumen.schema.rows import read_table
from resumen.schema.sections import GenerateParams, SourceParams, StyleParams
from resumen.schema.systems import SystemParams
from resumen.text.prompts import TEMPLATE_FIELDS, fill_template
from resumen.vocabulary.tokenizer import Ids, decode, load_tokenizer, round_trip

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
    tokenizer: Tokenizer,
) -> tuple[list[Ids], list[bool]]:
    """Return the ids of each prompt as the model reads it, and whether it was cut.

    `style` is that of our prompts; a template of the system's own is always an instruction.
    """
    cut_as = style.style if system.template is None else "instruction"
    return encode_truncated(tokenizer, system_prompts(system, rows), source.source_tokens, cut_as)


def predictions_of(
    tokenizer: Tokenizer,
    rows: list[dict[str, str]],
    ids: list[Ids],
    were_cut: list[bool],
    written: list[Ids],
) -> list[dict[str, Any]]:
    """Return the predictions of a model, one a row of the test split: what it read, what it has `written`."""
    texts = decode(tokenizer, written)
    spelled_references = round_trip(tokenizer, [row["summary"] for row in rows])
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


def summary_cost(model: T5, predictions: list[dict[str, Any]], num_beams: int) -> dict[str, int]:
    """Return the parameters of a model, and its operations an article, the mean over `predictions`."""
    lengths = [(row["source_tokens"], row["summary_tokens"]) for row in predictions]
    total = sum(summary_operations(model.config, model.num_rows, *pair, num_beams) for pair in lengths)
    return {
        "parameters": num_parameters(model.config, model.num_rows),
        "operations": round(total / len(lengths)),
    }


def made_with(
    system: SystemParams, params: GenerateParams, dtype: torch.dtype, device: torch.device
) -> dict[str, Any]:
    """Return what the summaries of a model are made with: the decoding, the arithmetic, the libraries."""
    chosen = params.model_copy(update=system.overrides())
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
    formatted = [FORMATTED_TEST] if system.template is None else []
    paths = [system.path, RAW_TEST, *formatted]
    parts = fingerprint(
        [system, params, source, style, users_budget()], paths, precision=f"{dtype} on {device.type}"
    )
    check_same(parts)
    tokenizer, chosen = load_tokenizer(system.path), params.model_copy(update=system.overrides())
    ids, were_cut = read_prompts(system, rows, source, style, tokenizer)
    key, lengths = f"systems.{name}.batch_size", [len(row) for row in ids]

    def plan(config: ModelConfig, num_rows: int) -> None:
        check_vocabulary(num_rows, tokenizer, system.path)
        what = f"{key}: {name}, its batches of {chosen.batch_size} split as they are,"
        need_of = partial(generation_need, config, num_rows, dtype, device, decoding=chosen)
        smaller = f"take a smaller model{', or generate.precision bf16' if dtype == torch.float32 else ''}"
        check_generation(what, need_of, lengths, chosen.batch_size, device, smaller)

    with locked_folder(f"generate-{name}", parts, log, rank(), world_size()) as folder:
        journal, what = folder / "batches.jsonl", f"generate {name}"
        with memory_errors(key, chosen.batch_size):
            model = load_t5(system.path, dtype, device, plan)
            write_all = make_generate(model, chosen)
            written = generate_in_batches(ids, write_all, chosen.batch_size, what, journal)
        if rank() == 0:
            predictions = predictions_of(tokenizer, rows, ids, were_cut, written)
            meta = made_with(system, params, dtype, device)
            write(predictions, {**meta, COST: summary_cost(model, predictions, meta["num_beams"])})
            finish(folder)
