"""A checkpoint's folder: its configuration, its hashes, and that no file of it is code or asks for some."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from stages.shared.cli import InputError, shown
from stages.shared.files import digest, read_json, regular, write_json

# What transformers' own T5 needs no code of others for; "" is none at all.
TOKENIZERS = ("", "T5Tokenizer", "T5TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend")
MOST_SIZE = 2**20  # of anything that config.json counts: T5-11b has layers 65,536 wide
PROVENANCE = "provenance.json"  # beside what a stage wrote: where it is from, and the sha256 of each file
OF_OTHERS = ("auto_map", "custom_pipelines", "quantization_config")  # keys that bring code of others along


def read_config(path: Path, where: str) -> dict[str, Any]:
    """Return the config.json of a T5; `where` is whose it is, as messages say it.

    Raises:
        InputError: it is no JSON, another model's, asks for code of its own, or counts what cannot be.
    """
    config = read_object(path, f"{where}: config.json")
    if config.get("model_type") != "t5":
        raise InputError(
            f"{where}: config.json: model_type: expected 't5', got {shown(config.get('model_type'))}; take a "
            "T5 or Flan-T5 checkpoint, which has an encoder and a decoder"
        )
    for key, value in config.items():
        if isinstance(value, int | float) and not abs(value) <= MOST_SIZE:
            raise InputError(
                f"{where}: config.json: {key}: expected at most {MOST_SIZE:,}, got {shown(value)}; take "
                "another checkpoint"
            )
    try:
        whole_number(config, "vocab_size")
    except KeyError as error:
        raise InputError(f"{where}: config.json: vocab_size: missing; take another checkpoint") from error
    except ValueError as error:
        raise InputError(f"{where}: config.json: {error}; take another checkpoint") from error
    return config


def whole_number(
    config: Mapping[str, Any], name: str, default: int | None = None, least: int = 1, most: int = MOST_SIZE
) -> int:
    """Return a size or a token's id of config.json; `default` where it has none or null.

    Raises:
        KeyError: it has none, and there is no default.
        ValueError: it is no whole number from `least` to `most`.
    """
    value = config.get(name)
    value = default if value is None else value
    if value is None:
        raise KeyError(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}: expected a whole number from {least} to {most:,}, got {shown(value)}")
    return value


def check_tokenizer_config(path: Path, where: str) -> None:
    """Raise InputError if a tokenizer_config.json names a tokenizer that would be code of its own."""
    kind = read_object(path, f"{where}: tokenizer_config.json").get("tokenizer_class") or ""
    if kind not in TOKENIZERS:
        raise InputError(
            f"{where}: tokenizer_config.json: tokenizer_class: expected T5's own, got {shown(kind)}; "
            "take the key out if tokenizer.json is T5's"
        )


def write_provenance(folder: Path, **origin: str) -> dict[str, str]:
    """Write where a checkpoint is from, and the sha256 of each of its files, beside them; return these."""
    hashes = {path.name: digest(path) for path in sorted(folder.iterdir())}
    write_json(folder / PROVENANCE, {**origin, "sha256": hashes})
    return hashes


def check_hashes(folder: Path) -> None:
    """Raise InputError if a file of a checkpoint is not what the provenance beside it says.

    A folder from elsewhere has none.
    """
    if not (path := folder / PROVENANCE).is_file():
        return
    hashes = read_object(path, str(path)).get("sha256")
    if not isinstance(hashes, dict):
        raise InputError(f"{path}: sha256: expected an object, got {shown(hashes)}; make the folder anew")
    files = {file.name for file in folder.iterdir()}
    for name, expected in hashes.items():
        if name not in files:
            raise InputError(f"{path}: sha256: {shown(name)}: no file of this folder; make the folder anew")
        if digest(folder / name) != expected:
            raise InputError(
                f"{folder / name}: damaged: its sha256 is not the one in {PROVENANCE}; "
                "`python -m stages.doctor --fix` heals what is this project's, else copy it again; if you "
                f"changed it, remove {PROVENANCE}"
            )


def read_object(path: Path, where: str) -> dict[str, Any]:
    """Return the object in a JSON file of a checkpoint.

    Raises:
        InputError: it is none, or has a key of OF_OTHERS.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{where}: expected an object, got {shown(found)}; take what save_pretrained writes")
    for key in OF_OTHERS:
        if found.get(key):
            raise InputError(
                f"{where}: {key}: brings code of others along, which is never run here, got "
                f"{shown(found[key])}; take a checkpoint without it"
            )
    return found


def check_files(files: dict[str, Path], where: str) -> None:
    """Raise InputError unless each of a checkpoint's files, by name, is what its name says.

    Of the weights only the header is read.
    """
    for name, path in files.items():
        regular(path)
        if name == "config.json":
            read_config(path, where)
        elif name == "tokenizer_config.json":
            check_tokenizer_config(path, where)
        elif name.endswith(".json"):
            read_object(path, f"{where}: {name}")
        elif name.endswith(".safetensors"):
            try:
                with safe_open(path, framework="np"):
                    pass
            except SafetensorError as error:
                raise InputError(
                    f"{where}: {name}: not readable as safetensors: {error}; fetch or save it anew"
                ) from error
