"""What a checkpoint is: a T5 that is computed here, or another model, which transformers runs."""

from enum import Enum
from pathlib import Path
from typing import Any

from resumen.checkpoint.folder import read_object, why_not_ours
from resumen.runtime.errors import InputError, shown

CAUSAL_CLASSES = ("ForCausalLM", "LMHeadModel")  # how their classes end; a BERT may be read as one too
UNFIT = {  # what transformers computes otherwise in a batch than one by one
    "bigbird_pegasus": "its encoder attends in another way from the first short batch on",
}


class ModelKind(Enum):
    """Who computes a model, and how it is asked."""

    T5 = "t5"  # here
    SEQ2SEQ = "seq2seq"  # transformers: an encoder and a decoder
    CAUSAL = "causal"  # transformers: a decoder alone, which goes on with a text


def model_kind(folder: Path) -> ModelKind:
    """Return what the model of a folder is.

    Raises:
        InputError: it writes no text, or config.json is not there or brings code along.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; expected what save_pretrained writes")
    return kind_in(read_object(folder / "config.json", f"{folder}: config.json"), str(folder))


def kind_in(config: dict[str, Any], where: str) -> ModelKind:
    """Return what the model of a config.json is; `where` is whose it is, as messages say it.

    Raises:
        InputError: it writes no text.
    """
    if not why_not_ours(config):
        return ModelKind.T5
    # PyTorch comes with it, two seconds; of a T5 nothing is asked
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    name, classes = str(config.get("model_type")), config.get("architectures")
    if reason := UNFIT.get(name):
        raise InputError(f"{where}: config.json: {name}: {reason}; take another model")
    if name in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES and not is_causal(classes):
        return ModelKind.SEQ2SEQ
    if name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and is_causal(classes):
        return ModelKind.CAUSAL
    raise InputError(
        f"{where}: config.json: {shown(config.get('model_type'))} ({shown(classes)}) is not run here: "
        "neither an encoder-decoder nor a causal language model, of text alone; take one such as those of "
        "docs/how-to/models.md"
    )


def why_not_trained(folder: Path) -> str:
    """Return why the model of a folder is no base of a fine-tuning, and what to take instead, or ""."""
    return why_not_ours(read_object(folder / "config.json", f"{folder}: config.json"))


def is_byte_level(config: dict[str, Any]) -> bool:
    """Return whether the tokenizer of a config.json takes bytes for pieces, and has no file for them."""
    return "ByT5" in str(config.get("tokenizer_class"))


def is_causal(classes: Any) -> bool:
    """Return whether a config.json's `architectures` are those of a causal language model."""
    return isinstance(classes, list) and any(str(name).endswith(CAUSAL_CLASSES) for name in classes)
