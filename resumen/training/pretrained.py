"""A T5 from its folder and back, for training, and what transformers gets wrong on the way."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)
from transformers.utils import logging as transformers_logging

from resumen.checkpoint.config import ModelConfig
from resumen.model.loading import NOT_LOADED, Plan, no_plan, open_checkpoint
from resumen.model.operations import num_parameters
from resumen.model.prepare import keep_freed_memory
from resumen.runtime.errors import InputError, first_line
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.vocabulary.spelling import base_letter

SMALL = 10**7  # parameters: a larger model trains as fast without freed memory that is kept, and in less
CLASSES: dict[str, tuple[Any, Any]] = {  # by model_type
    "t5": (T5Config, T5ForConditionalGeneration),
    "mt5": (MT5Config, MT5ForConditionalGeneration),
    "umt5": (UMT5Config, UMT5ForConditionalGeneration),
}


def load_model(folder: Path, plan: Plan = no_plan) -> T5ForConditionalGeneration:
    """Return the encoder-decoder of `folder` in float32, on the CPU, in evaluation mode.

    `plan` is given what it is like before a tensor is read, and may refuse.

    Loaded with no override: `tie_word_embeddings=False` would leave both `embed_tokens` random, and
    `resize_token_embeddings` or `tie_weights` would overwrite Flan-T5's separate head.

    Raises:
        InputError: see `open_checkpoint`; or transformers makes nothing of its config.json.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    checkpoint = open_checkpoint(folder)
    ours, rows = checkpoint.config, checkpoint.num_rows
    plan(ours, rows)
    if num_parameters(ours, rows) <= SMALL:
        keep_freed_memory()
    try:
        config_class, model_class = CLASSES[ours.model_type]
        config = config_class.from_pretrained(folder, local_files_only=True)
        # UMT5Config says of every head that it is scaled, MT5 scales none: what the file says is kept
        config.scale_decoder_outputs = ours.scale_output
        theirs = replace(ModelConfig.of(config.to_dict()), untied_head=ours.untied_head)
        if theirs != ours:  # by another name of a size, such as hidden_size
            raise ValueError("a size stands in config.json under two names")
        model: T5ForConditionalGeneration = model_class.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except NOT_LOADED as error:
        raise InputError(
            f"{folder}: transformers cannot load it: {first_line(error)}; fetch or save it again"
        ) from error
    shared = model.shared.weight.data_ptr()
    for stack in (model.encoder, model.decoder):
        assert stack.embed_tokens.weight.data_ptr() == shared, f"{folder}: embed_tokens is not shared"
    model.eval()
    return model


def head_is_tied(model: T5ForConditionalGeneration) -> bool:
    """Return whether the output head is the input embedding (T5 v1.0) or apart (v1.1, Flan)."""
    return bool(model.lm_head.weight.data_ptr() == model.shared.weight.data_ptr())


def model_config(model: T5ForConditionalGeneration) -> ModelConfig:
    """Return what `model` is like; transformers 5 calls every head tied, so look at the head itself."""
    return replace(ModelConfig.of(model.config.to_dict()), untied_head=not head_is_tied(model))


@torch.no_grad()
def init_letters(model: T5ForConditionalGeneration, base: Tokenizer, repaired: Tokenizer) -> int:
    """Start the rows of the letters that `repaired` has beyond `base`; return how many there are.

    A letter starts from its base letter (ñ from n, ¿ from ?), or from the mean of the pieces where
    there is none; in the input embedding and, where it is untied, in the head. In place: no resize.
    """
    old = base.get_vocab_size()
    new = {piece: row for piece, row in repaired.get_vocab().items() if row >= old}
    tables = [model.shared.weight]  # (vocabulary, d_model)
    if not head_is_tied(model):
        tables.append(model.lm_head.weight)
    for letter, row in new.items():
        plain = base_letter(letter)
        source = base.token_to_id(plain) if plain else None
        for table in tables:
            table[row] = table[:old].mean(dim=0) if source is None else table[source]
    return len(new)


def save_model(model: T5ForConditionalGeneration, tokenizer: Path, folder: Path) -> None:
    """Write `model` in float32 and the files of `tokenizer` to `folder`; equal models, equal bytes.

    transformers 5 writes `tie_word_embeddings: true` for Flan-T5 as well, which transformers 4 would
    take at its word; the saved value says what the head is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    config = {**read_json(folder / "config.json"), "tie_word_embeddings": head_is_tied(model)}
    write_json(folder / "config.json", config)
    for file in sorted(tokenizer.iterdir()):
        shutil.copyfile(file, folder / file.name)
