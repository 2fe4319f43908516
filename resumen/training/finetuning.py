"""Fine-tuning: the base is trained, its epochs are validated, the best one is written."""

import logging
import os
import shutil
import sys
from collections import ChainMap, Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from tokenizers import Tokenizer
from torch.nn.utils.rnn import pad_sequence

from resumen.checkpoint.config import ModelConfig
from resumen.model.decoding import check_generation, greedy, plan_batches, prefill, search
from resumen.model.device import choose_dtype, memory_errors
from resumen.model.distributed import (
    all_gather,
    check_same,
    rank,
    shard,
    world_size,
)
from resumen.model.loading import check_vocabulary
from resumen.model.memory import Need, budget_of, generation_need, split
from resumen.model.operations import training_operations
from resumen.model.pages import Pages
from resumen.model.prepare import announce, prepare_torch
from resumen.model.t5 import T5
from resumen.rouge.score import ROUGE_TYPES, rouge_multi
from resumen.runtime.budget import users_budget
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write, require_space, size_of
from resumen.runtime.fingerprint import fingerprint
from resumen.runtime.jsonfiles import write_json
from resumen.runtime.locks import finish, locked_folder
from resumen.runtime.paths import (
    CURVES_DIR,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    PRETRAINED_DIR,
    RAW_VALIDATION,
    TOKENIZED_DIR,
)
from resumen.runtime.progress import track
from resumen.runtime.provenance import write_provenance
from resumen.schema.finetunings import STEP, FinetuningParams, recipe_key
from resumen.schema.rows import load_table, read_table, references_of
from resumen.schema.sections import FinetuneParams
from resumen.text.characters import normalize
from resumen.training.checkpoints import MANIFEST, History, Interrupted, epoch_folder
from resumen.training.loop import EpochSampler, TokenizedRows, TrainedT5, chosen_rows, train
from resumen.training.plan import check_training, held_in_training, largest_batches
from resumen.training.pretrained import Parameters, init_letters, load_model, save_model
from resumen.vocabulary.tokenizer import PAD, decode, load_tokenizer

log = logging.getLogger("finetune")


class Validation:
    """What is measured after each epoch: the loss, and ROUGE against the raw references.

    Decoded labels would not do for references: they are cut, and have lost the letters that the
    vocabulary lacks, as the predictions have.
    """

    def __init__(
        self,
        rows: TokenizedRows,
        references: dict[str, list[str]],
        tokenizer: Tokenizer,
        params: FinetuneParams,
    ) -> None:
        if missing := [name for name in rows.ids if name not in references]:
            raise InputError(f"{RAW_VALIDATION}: lacks id {missing[0]!r} of {TOKENIZED_DIR}; run `dvc repro`")
        indices = list(range(len(rows)))
        if params.validation_rows != "all" and params.validation_rows < len(rows):
            indices = sorted(Random(params.seed).sample(indices, params.validation_rows))
        self.rows = torch.utils.data.Subset(rows, indices)
        pad = tokenizer.token_to_id(PAD)
        chosen = [rows[index] for index in indices]
        self.sources = [[token for token in row["input_ids"] if token != pad] for row in chosen]
        self.labels = [[token for token in row["labels"] if token >= 0] for row in chosen]
        self.references = [[normalize(text) for text in references[rows.ids[index]]] for index in indices]
        self.tokenizer, self.params = tokenizer, params
        self.lengths = list(map(len, self.sources))
        self.decoding, self.batch_size = greedy(params.max_new_tokens), 8 * params.batch_size  # no gradients

    def need_of(
        self, config: ModelConfig, rows: int, dtype: torch.dtype, device: torch.device
    ) -> Callable[[int], Need]:
        """Return what a batch takes, the model apart, by its longest article; see `generation_need`."""
        target = max(map(len, self.labels), default=0)
        return partial(
            generation_need,
            config,
            rows,
            dtype,
            device,
            decoding=self.decoding,
            target=target,
            held=0,
        )

    def batches(self, t5: T5) -> list[list[int]]:
        """Return the rows in batches of like length, split where they take too much.

        What the training holds beside them takes half of the budget at most: a large model's steps take more
        than both.
        """
        device = t5.embedding.device
        held = held_in_training(t5.config, t5.num_rows, t5.dtype)
        need_of = self.need_of(t5.config, t5.num_rows, t5.dtype, device)
        planned = plan_batches(self.lengths, self.batch_size)
        most = [need_of(self.lengths[batch[0]]).articles(budget_of(device, held)) for batch in planned]
        return [part for batch, count in zip(planned, most, strict=True) for part in split(batch, count)]

    def read(self, t5: T5, indices: list[int], pages: Pages) -> tuple[list[list[int]], float]:
        """Return what `t5` writes for a batch, and the loss of its labels, summed: it is read once for both.

        Its cache ends here, before the next one begins.
        """
        cache = prefill(t5, [self.sources[index] for index in indices], self.decoding, pages)
        labels = [torch.tensor(self.labels[index]) for index in indices]
        padded = pad_sequence(labels, batch_first=True, padding_value=-1)  # (articles, target tokens)
        loss = float(t5.cached_loss(cache, padded))
        return search(t5, cache, self.decoding), loss

    @torch.inference_mode()
    def __call__(self, t5: T5) -> dict[str, float]:
        """Return `loss`, the mean over all target tokens, not smoothed, and each ROUGE type, in points."""
        own, pages = shard(self.batches(t5)), Pages()
        outputs: dict[int, list[int]] = {}
        loss = 0.0
        for indices in track(own, "finetune validation", len(own), unit="batch"):
            rows, summed = self.read(t5, indices, pages)
            outputs |= dict(zip(indices, rows, strict=True))
            loss += summed
        by_rank, losses = zip(*all_gather((outputs, loss)), strict=True)
        all_outputs = ChainMap(*by_rank)
        texts = decode(self.tokenizer, [all_outputs[index] for index in range(len(self.rows))])
        pairs = zip(map(normalize, texts), self.references, strict=True)
        columns = zip(*(rouge_multi(*pair) for pair in pairs), strict=True)  # a row an article
        scores = {name: sum(column) / len(texts) for name, column in zip(ROUGE_TYPES, columns, strict=True)}
        return {"loss": sum(losses) / sum(map(len, self.labels)), **scores}


def longest_batch(rows: TokenizedRows, params: FinetuneParams) -> tuple[int, int] | None:
    """Return the shape of a full batch of the longest rows, (rows, tokens), if it is to be compiled.

    Raises:
        InputError: there is no C++ compiler.
    """
    if not params.compile:
        return None
    compilers = (os.environ.get("CXX", ""), "g++", "clang++")
    if not any(map(shutil.which, filter(None, compilers))):
        raise InputError(
            "params.yaml: finetune.compile, or the fine-tuning's own: no C++ compiler here; install g++ or "
            "clang++, or set it to false"
        )
    return params.batch_size, max(rows.lengths)


def fine_tune(
    model: Parameters,
    rows: TokenizedRows,
    validation: Callable[[T5], dict[str, float]],
    params: FinetuneParams,
    device: torch.device,
    tokenizer: Path,
    folder: Path,
    before_step: Callable[[int], None] = lambda step: None,
    chosen: list[int] | None = None,
) -> tuple[History, int]:
    """Train `model` as `train` does; asked to stop by a signal, end the process, its work kept in `folder`.

    The model of the best epoch is left in its `epoch_folder` of `folder`, by rank 0.
    """
    model.to(device)
    trained = TrainedT5(model, choose_dtype(params.precision, device), longest_batch(rows, params))

    def save(epoch: int) -> None:
        require_space(folder, 4 * sum(parameter.numel() for parameter in model.parameters()))
        save_model(model, tokenizer, epoch_folder(folder, epoch))

    try:
        return train(model, trained, rows, validation, params, folder, save, before_step, chosen)
    except Interrupted as wish:
        is_kept = any(folder.glob(f"checkpoint-*/{MANIFEST}"))
        then = f"resumes from the last checkpoint, in {folder}" if is_kept else "starts over"
        log.info("stopped; the same command %s", then)
        sys.exit(128 + wish.args[0])


def num_tokens(lists: pa.ChunkedArray, is_real: Callable[[pa.Array], pa.Array]) -> list[int]:
    """Return how many values of each list are real, not padding."""
    whole = lists.combine_chunks()
    parents = pc.list_parent_indices(whole).filter(is_real(pc.list_flatten(whole)))
    counts: list[int] = np.bincount(parents, minlength=len(whole)).tolist()
    return counts


def training_cost(
    model: Parameters, rows: TokenizedRows, params: FinetuneParams, chosen: list[int]
) -> dict[str, float]:
    """Return what a training takes, its validations and all padding apart: articles, and 10¹² operations."""
    sampler, read = EpochSampler(rows.lengths, params.batch_size, params.seed, chosen), Counter[int]()
    for epoch in range(params.epochs):
        sampler.set_epoch(epoch)
        for batch in sampler:
            read.update(batch)
    masks = "attention_mask" in rows.table.column_names
    sources = (
        num_tokens(rows.table["attention_mask"], lambda mask: pc.equal(mask, 1)) if masks else rows.lengths
    )
    targets = num_tokens(rows.table["labels"], lambda label: pc.greater_equal(label, 0))
    config, vocabulary = model.config, model.num_rows
    operations = sum(
        count * training_operations(config, vocabulary, sources[index], targets[index])
        for index, count in read.items()
    )
    return {"articles_read": read.total(), "training_tflops": round(operations / 1e12, 4)}


def write_best(
    name: str,
    entry: FinetuningParams,
    history: History,
    params: FinetuneParams,
    training: dict[str, Any],
    folder: Path,
) -> None:
    """Write the model of the best epoch, the metrics, which say what `training` does too, and the curve."""
    best, steps = history.best, history.curve[-1]["step"]
    with atomic_write(FINETUNED_DIR / name) as partial:
        best_model = epoch_folder(folder, best["epoch"])
        require_space(FINETUNED_DIR, size_of(best_model))
        shutil.copytree(best_model, partial)
        write_provenance(partial, source="finetune", finetuning=name, base=entry.base)
    metrics = {
        "base": entry.base,
        "learning_rate": params.learning_rate,  # the profile's, where params.yaml leaves it empty
        "epochs": params.epochs,
        "batch_size": params.batch_size,
        **training,
        "steps": steps,
        "best_epoch": best["epoch"],
        "train_loss": best["train_loss"],
        "validation_loss": best["validation_loss"],
        **{f"validation_{name}": best[name] for name in ROUGE_TYPES},
    }
    write_json(CURVES_DIR / f"{name}.json", history.curve)
    write_json(FINETUNE_METRICS / f"{name}.json", metrics)
    log.info(
        "wrote %s: %d steps; best epoch %d: validation loss %.3f, ROUGE-L %.2f (%.2f before)",
        FINETUNED_DIR / name,
        steps,
        best["epoch"],
        best["validation_loss"],
        best["rougeL"],
        history.curve[0]["rougeL"],
    )


def finetune(name: str, entry: FinetuningParams, params: FinetuneParams) -> None:
    """Do fine-tuning `name`, or resume it; write the model of the best epoch, its metrics and the curve."""
    device = prepare_torch(params.seed)
    tokenized, base = TOKENIZED_DIR / name, PRETRAINED_DIR / entry.base
    inputs = [tokenized / part for part in ("train.parquet", "validation.parquet", "tokenizer")]
    train_rows, validation_rows, tokenizer_folder = inputs
    rows = TokenizedRows(load_table(train_rows))
    chosen = chosen_rows(rows.ids, entry.rows, params.seed)
    tokenizer, dtype = load_tokenizer(tokenizer_folder), choose_dtype(params.precision, device)
    references = {
        row["id"]: references_of(row) for row in read_table(RAW_VALIDATION, ["id", "summary", "references"])
    }
    validation = Validation(TokenizedRows(load_table(validation_rows)), references, tokenizer, params)
    announce(log, device, dtype)
    precision = str(dtype).removeprefix("torch.")
    parts = fingerprint(
        [params, entry.rows, users_budget()],
        [*inputs, base, RAW_VALIDATION],
        precision=f"{precision} on {device.type}",
    )
    check_same(parts)

    def plan(config: ModelConfig, num_rows: int) -> None:
        check_vocabulary(num_rows, tokenizer, base)
        keys = [recipe_key(name, entry, key) for key in STEP]
        targets = pc.list_value_length(rows.table["labels"]).to_pylist()
        shapes_of = partial(largest_batches, rows.lengths, targets, chosen)
        check_training(name, config, num_rows, dtype, device, shapes_of, params, keys)
        what, need_of = f"{name}: a validation", validation.need_of(config, num_rows, dtype, device)
        held = held_in_training(config, num_rows, dtype)
        check_generation(
            what, need_of, validation.lengths, validation.batch_size, device, "take a smaller base", held
        )

    with locked_folder(f"finetune-{name}", parts, log, rank(), world_size()) as folder:
        with memory_errors(f"finetunings.{name}.base", 1):
            model = load_model(base, plan)
        init_letters(model, load_tokenizer(base), tokenizer)
        with memory_errors(recipe_key(name, entry, "batch_size"), params.batch_size):
            history, _ = fine_tune(
                model, rows, validation, params, device, tokenizer_folder, folder, chosen=chosen
            )
        if rank() == 0:
            training = {
                "rows": len(chosen),
                **({} if (own := users_budget()) is None else {"memory_gb": own}),
                "precision": precision,
                "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
                **training_cost(model, rows, params, chosen),
            }
            write_best(name, entry, history, params, training, folder)
            finish(folder)
