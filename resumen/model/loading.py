"""A T5 from its folder: all tensors there, of the right shape, without NaN."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor

from resumen.checkpoint.config import ModelConfig
from resumen.checkpoint.folder import read_config
from resumen.checkpoint.tensors import INDEX, check_index, check_tensors, header_of
from resumen.model.prepare import keep_freed_memory
from resumen.model.t5 import T5
from resumen.runtime.errors import InputError
from resumen.runtime.provenance import check_hashes

Plan = Callable[[ModelConfig, int], None]  # what a model is like, and the rows of its embedding


def no_plan(config: ModelConfig, rows: int) -> None:
    """Refuse nothing."""


class Checkpoint(NamedTuple):
    """A checkpoint's T5, all of it there, and of the right shape."""

    config: ModelConfig
    num_rows: int  # of the embedding; a vocabulary may be smaller
    files: dict[str, Path]  # by a tensor's name

    def read(self, name: str, device: torch.device) -> Tensor:
        """Return a tensor in float32, as a copy.

        Its file is opened for it alone: what is mapped stays in memory until a file is closed.
        """
        with safe_open(self.files[name], framework="pt") as file:
            tensor: Tensor = file.get_tensor(name).to(device, torch.float32, copy=True)
        return tensor


def open_checkpoint(folder: Path) -> Checkpoint:
    """Return what the files of a checkpoint's folder hold, without reading their tensors.

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
    if (folder / INDEX).is_file():
        check_index(folder / INDEX, str(folder), [file.name for file in files])
    headers = {file.name: header_of(file, str(folder)) for file in files}
    config = check_tensors(headers, content, str(folder))
    where = {name: folder / file for file, header in headers.items() for name in header}
    (_, shape) = headers[where["shared.weight"].name]["shared.weight"]
    return Checkpoint(config, shape[0], where)


def load_t5(folder: Path, dtype: torch.dtype, device: torch.device, plan: Plan = no_plan) -> T5:
    """Return the T5 of a checkpoint's folder, ready to generate.

    `plan` is given what it is like before a tensor is read, and may refuse.

    Raises:
        InputError: the folder holds no T5 in safetensors, an incomplete one, or one with NaN in it.
    """
    checkpoint = open_checkpoint(folder)
    config, rows = checkpoint.config, checkpoint.num_rows
    plan(config, rows)
    keep_freed_memory()

    with torch.inference_mode():
        return T5(lambda name: read_finite(checkpoint, name, device, folder), config, dtype)


def read_finite(checkpoint: Checkpoint, name: str, device: torch.device, folder: Path) -> Tensor:
    """Return a tensor of the checkpoint in `folder`, in float32, as a copy.

    Raises:
        InputError: there is NaN or infinity in it.
    """
    result = checkpoint.read(name, device)
    if not result.sum().isfinite():
        raise InputError(f"{folder}: {name}: holds NaN or infinity; fetch it, or train it again")
    return result


def check_vocabulary(rows: int, tokenizer: Tokenizer, folder: Path) -> None:
    """Raise InputError if `tokenizer` knows more pieces than an embedding of `rows` has rows."""
    if (pieces := tokenizer.get_vocab_size()) > rows:
        raise InputError(f"{folder}: its tokenizer has {pieces} pieces, and its embedding only {rows} rows")
