"""What the files of a checkpoint say of their tensors, held against its config before a value is read."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from resumen.checkpoint.config import ModelConfig, relative_bias
from resumen.checkpoint.folder import read_object
from resumen.runtime.errors import InputError, shown
from resumen.runtime.files import require_file

DTYPES = ("F64", "F32", "F16", "BF16")  # of weights, as safetensors names them
INDEX = "model.safetensors.index.json"  # of a checkpoint in shards: the file of each tensor

Header = dict[str, tuple[str, tuple[int, ...]]]  # of a safetensors file: dtype and shape, by a tensor's name


def header_of(path: Path, where: str) -> Header:
    """Return the header of a local safetensors file; `where` is whose it is, as messages say it.

    Raises:
        InputError: it is no safetensors file, or not all of one.
    """
    try:
        with safe_open(require_file(path), framework="np") as file:
            return read_header(file)
    except SafetensorError as error:
        raise InputError(
            f"{where}: {path.name}: not readable as safetensors: {error}; fetch or save it again"
        ) from error


def read_header(file: Any) -> Header:
    """Return the header of an open safetensors file."""
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    return {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}


def check_dtypes(header: Header, where: str) -> None:
    """Raise InputError if a tensor of a model's weights has a type that is not read, as quantized ones do.

    Whole numbers of 64 bits are no weights: older checkpoints keep positions so.
    """
    for name, (dtype, _) in header.items():
        if dtype not in (*DTYPES, "I64"):
            raise InputError(
                f"{where}: {name}: expected one of {', '.join(DTYPES)}, got {dtype}; save the weights as "
                "float32, not quantized"
            )


def check_index(path: Path, where: str, files: Iterable[str]) -> None:
    """Raise InputError if the index of a checkpoint in shards names a file that is not among its `files`."""
    parts = read_object(path, f"{where}: {path.name}").get("weight_map")
    names, known = parts.values() if isinstance(parts, dict) else [parts], sorted(files)
    if absent := [name for name in names if name not in known]:
        raise InputError(
            f"{where}/{path.name}: weight_map: expected names of {', '.join(known)}, got "
            f"{shown(absent[0])}; fetch or save the checkpoint again"
        )


def check_tensors(headers: Mapping[str, Header], content: Mapping[str, Any], where: str) -> ModelConfig:
    """Return the config of a T5 whose files have these `headers`; `content` is that of its config.json.

    All its tensors are there, once, in the shape that the config says and a type that we read. What else
    the files hold is left alone.

    Raises:
        InputError: one is missing, stands in two files, or is of another shape or type; or a size in
            config.json is missing or cannot be.
    """
    try:
        config = ModelConfig.of(content)
    except KeyError as error:
        raise InputError(
            f"{where}: config.json: {error.args[0]}: missing; take another checkpoint"
        ) from error
    except ValueError as error:
        raise InputError(f"{where}: config.json: {error}; take another checkpoint") from error
    tensors: Header = {}
    for file, header in headers.items():
        if twice := sorted(tensors.keys() & header.keys()):
            raise InputError(f"{where}/{file}: {twice[0]}: stands in another file too; take one of them out")
        tensors |= header
    if (config.untied_head and "lm_head.weight" not in tensors) or "shared.weight" not in tensors:
        raise InputError(
            f"{where}: lm_head.weight or shared.weight is missing, which config.json has apart; take another "
            "checkpoint"
        )
    # transformers 5 says tied of every T5
    config = replace(config, untied_head="lm_head.weight" in tensors)
    if relative_bias("encoder", 1) in tensors:  # whatever config.json calls it: read as T5 it would be wrong
        config = replace(config, model_type="umt5")
    expected = config.tensors(content["vocab_size"])
    if config.untied_head:
        expected["lm_head.weight"] = expected["shared.weight"]
    if missing := sorted(expected.keys() - tensors.keys()):
        raise InputError(f"{where}: missing keys {missing[:3]}; fetch or save the checkpoint again")
    for name, shape in expected.items():
        dtype, stored = tensors[name]
        if stored != shape:
            raise InputError(
                f"{where}: {name}: expected shape {shape}, got {shown(stored)}; take the config.json that "
                "was saved with the weights"
            )
        if dtype not in DTYPES:
            raise InputError(
                f"{where}: {name}: expected one of {', '.join(DTYPES)}, got {dtype}; save the "
                "weights as float32"
            )
    return config
