"""A T5 from its folder: all tensors there, of the right shape, without NaN."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

from resumen.checkpoint.folder import read_config, read_object
from resumen.model.t5 import T5, ModelConfig
from resumen.runtime.errors import InputError, shown
from resumen.runtime.files import require_file
from resumen.runtime.provenance import check_hashes

DTYPES = ("F64", "F32", "F16", "BF16")  # of weights, as safetensors names them


@contextmanager
def opened_checkpoint(folder: Path) -> Iterator[tuple[ModelConfig, dict[str, Any]]]:
    """Yield the config of a checkpoint's T5 and its open files by a tensor's name; all is there and fits.

    Raises:
        InputError: the folder holds no T5 in safetensors, an incomplete one, or a damaged one.
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InputError(f"{folder}: no model*.safetensors; expected what save_pretrained writes")
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; expected what save_pretrained writes")
    check_hashes(folder)
    content = read_config(folder / "config.json", str(folder))
    try:
        config = ModelConfig.of(content)
    except KeyError as error:
        raise InputError(f"{folder}: config.json: {error.args[0]}: missing") from error
    except ValueError as error:
        raise InputError(f"{folder}: config.json: {error}") from error
    check_index(folder, [file.name for file in files])
    where: dict[str, Any] = {}
    with ExitStack() as stack:
        for file in files:
            try:
                opened = stack.enter_context(safe_open(require_file(file), framework="pt"))
            except SafetensorError as error:
                raise InputError(f"{folder}: not readable as safetensors: {error}") from error
            if twice := sorted(where.keys() & set(opened.keys())):
                raise InputError(f"{file}: {twice[0]}: stands in another file too; take one of them out")
            where |= dict.fromkeys(opened.keys(), opened)
        if (config.untied_head and "lm_head.weight" not in where) or "shared.weight" not in where:
            lacking = "lm_head.weight or shared.weight is missing, which config.json has apart"
            raise InputError(f"{folder}: {lacking}")
        # transformers 5 says tied of every T5
        config = replace(config, untied_head="lm_head.weight" in where)
        check_tensors(folder, where, config, rows=content["vocab_size"])
        yield config, where


def check_index(folder: Path, files: list[str]) -> None:
    """Raise InputError if the index of a checkpoint in parts names a file that is not among its `files`."""
    path = folder / "model.safetensors.index.json"
    if not path.is_file():
        return
    parts = read_object(path, str(path)).get("weight_map")
    named = parts.values() if isinstance(parts, dict) else [parts]
    if strangers := [part for part in named if part not in files]:
        raise InputError(
            f"{path}: weight_map: expected names of {', '.join(files)}, got {shown(strangers[0])}; fetch or "
            "save the checkpoint again"
        )


def load_t5(folder: Path, dtype: torch.dtype, device: torch.device) -> T5:
    """Return the T5 of a checkpoint's folder, ready to generate.

    Raises:
        InputError: the folder holds no T5 in safetensors, an incomplete one, or one with NaN in it.
    """
    with opened_checkpoint(folder) as (config, where):

        def tensor(name: str) -> Tensor:
            result: Tensor = where[name].get_tensor(name).to(device, torch.float32)
            if not result.sum().isfinite():
                raise InputError(f"{folder}: {name}: holds NaN or infinity; fetch it, or train it again")
            return result

        with torch.inference_mode():
            return T5(tensor, config, dtype)


def check_vocabulary(rows: int, tokenizer: Tokenizer, folder: Path) -> None:
    """Raise InputError if `tokenizer` knows more pieces than an embedding of `rows` has rows."""
    if (pieces := tokenizer.get_vocab_size()) > rows:
        raise InputError(f"{folder}: its tokenizer has {pieces} pieces, and its embedding only {rows} rows")


def check_tensors(folder: Path, where: Mapping[str, Any], config: ModelConfig, rows: int) -> None:
    """Raise InputError unless `where`, open files by the name of a tensor, hold all of a T5 of `config`."""
    expected = config.tensors(rows)
    if config.untied_head:
        expected["lm_head.weight"] = expected["shared.weight"]
    if missing := sorted(expected.keys() - where.keys()):
        raise InputError(f"{folder}: missing keys {missing[:3]}")
    for name, size in expected.items():
        stored = where[name].get_slice(name)
        if tuple(stored.get_shape()) != size:
            raise InputError(f"{folder}: {name}: expected shape {size}, got {tuple(stored.get_shape())}")
        if stored.get_dtype() not in DTYPES:
            raise InputError(
                f"{folder}: {name}: expected one of {', '.join(DTYPES)}, got {stored.get_dtype()}; save the "
                "weights as float32"
            )
