"""A checkpoint's folder: its configuration, its hashes, and that no file of it is code or asks for some."""

from itertools import product
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from resumen.checkpoint.config import MAX_CONFIG_NUMBER, MODEL_TYPES, require_int
from resumen.runtime.errors import InputError, shown
from resumen.runtime.files import require_file
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import FINETUNED_DIR, PRETRAINED_DIR
from resumen.runtime.provenance import PROVENANCE
from resumen.schema.checkpoints import LEFT_OUT

# What transformers' own T5 needs no code of others for; "" is none at all.
TOKENIZERS = (
    *("", "T5Tokenizer", "T5TokenizerFast", "MT5Tokenizer", "MT5TokenizerFast"),
    *("PreTrainedTokenizerFast", "TokenizersBackend"),
)
# Relatives of T5 whose arithmetic is another, by their model_type: what they are, and what to take instead.
OTHER_RELATIVES = {
    "byt5": "ByT5, which reads bytes, not pieces; take google/mt5-small, which has as many languages",
    "longt5": "LongT5, whose attention is local; take google/flan-t5-small, and raise tokenize.source_tokens",
    "t5gemma": "T5Gemma, which is a Gemma in two parts; take google/flan-t5-base",
    "switch_transformers": "Switch Transformer, whose layers have experts; take google/flan-t5-base",
}
BRINGS_CODE = "brings code of others along, which is never run here"
REFUSED_KEYS = {  # of any of a checkpoint's JSON files, and why
    "auto_map": BRINGS_CODE,
    "custom_pipelines": BRINGS_CODE,
    "quantization": "its weights are quantized, and only float32, float16 and bfloat16 are read",
    "quantization_config": "its weights are quantized, and only float32, float16 and bfloat16 are read",
}


def read_config(path: Path, where: str) -> dict[str, Any]:
    """Return the config.json of a T5; `where` is whose it is, as messages say it.

    Raises:
        InputError: it is no JSON, another model's, asks for code of its own, or counts what cannot be.
    """
    config = read_object(path, f"{where}: config.json")
    if reason := why_not_ours(config):
        raise InputError(f"{where}: config.json: {reason}")
    for key, value in config.items():
        if isinstance(value, int | float) and not abs(value) <= MAX_CONFIG_NUMBER:
            raise InputError(
                f"{where}: config.json: {key}: expected at most {MAX_CONFIG_NUMBER:,}, got {shown(value)}; "
                "take another checkpoint"
            )
    try:
        require_int(config, "vocab_size")
    except KeyError as error:
        raise InputError(f"{where}: config.json: vocab_size: missing; take another checkpoint") from error
    except ValueError as error:
        raise InputError(f"{where}: config.json: {error}; take another checkpoint") from error
    return config


def why_not_ours(config: dict[str, Any]) -> str:
    """Return why the model of a config.json is none that we compute, and what to take instead, or ""."""
    kind = config.get("model_type")
    if "ByT5" in str(config.get("tokenizer_class")):  # its model_type is t5
        kind = "byt5"
    if kind in MODEL_TYPES:
        return ""
    if known := OTHER_RELATIVES.get(str(kind)):
        return f"a {known}"
    return (
        f"model_type: expected one of {', '.join(MODEL_TYPES)}, got {shown(config.get('model_type'))}; take "
        "a T5, Flan-T5, mT5 or UMT5 checkpoint, which has an encoder and a decoder"
    )


def check_tokenizer_config(path: Path, where: str) -> None:
    """Raise InputError if a tokenizer_config.json names a tokenizer that would be code of its own."""
    kind = read_object(path, f"{where}: tokenizer_config.json").get("tokenizer_class") or ""
    if str(kind).startswith("ByT5"):
        raise InputError(f"{where}: tokenizer_config.json: a {OTHER_RELATIVES['byt5']}")
    if kind not in TOKENIZERS:
        raise InputError(
            f"{where}: tokenizer_config.json: tokenizer_class: expected T5's own, got {shown(kind)}; "
            "take the key out if tokenizer.json is T5's"
        )


def read_object(path: Path, where: str) -> dict[str, Any]:
    """Return the object in a JSON file of a checkpoint.

    Raises:
        InputError: it is none, or has a key of REFUSED_KEYS.
    """
    result = read_json(path)
    if not isinstance(result, dict):
        raise InputError(
            f"{where}: expected an object, got {shown(result)}; take what save_pretrained writes"
        )
    parts = [result, *(part for part in result.values() if isinstance(part, dict))]  # an encoder, a decoder
    for (key, why), part in product(REFUSED_KEYS.items(), parts):
        if part.get(key):
            raise InputError(f"{where}: {key}: {why}, got {shown(part[key])}; take a checkpoint without it")
    return result


def reason_left_out(folder: Path) -> str:
    """Return why a checkpoint or a fine-tuning was left out, or "" where it was not, or is a user's own."""
    path = folder / PROVENANCE
    content = read_json(path) if folder.parent in (PRETRAINED_DIR, FINETUNED_DIR) and path.is_file() else {}
    reason = content.get(LEFT_OUT) if isinstance(content, dict) else None
    return reason if isinstance(reason, str) else ""


def check_files(files: dict[str, Path], where: str) -> None:
    """Raise InputError unless each of a checkpoint's files, by name, is what it says, and brings no code.

    Of the weights only the header is read.
    """
    for name, path in files.items():
        require_file(path)
        if name.endswith(".json"):
            read_object(path, f"{where}: {name}")
        elif name.endswith(".safetensors"):
            try:
                with safe_open(path, framework="np"):
                    pass
            except SafetensorError as error:
                raise InputError(
                    f"{where}: {name}: not readable as safetensors: {error}; fetch or save it again"
                ) from error
