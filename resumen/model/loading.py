"""A T5 from its folder: all tensors there, of the right shape, without NaN."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

from resumen.checkpoint.config import ModelConfig
from resumen.checkpoint.folder import read_config
from resumen.checkpoint.tensors import INDEX, Header, check_index, check_tensors, read_header
from resumen.model.t5 import T5
from resumen.runtime.errors import InputError
from resumen.runtime.files import require_file
from resumen.runtime.provenance import check_hashes


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
    if (folder / INDEX).is_file():
        check_index(folder / INDEX, str(folder), [file.name for file in files])
    where: dict[str, Any] = {}
    headers: dict[str, Header] = {}
    with ExitStack() as stack:
        for file in files:
            try:
                opened = stack.enter_context(safe_open(require_file(file), framework="pt"))
            except SafetensorError as error:
                raise InputError(f"{folder}: not readable as safetensors: {error}") from error
            headers[file.name] = read_header(opened)
            where |= dict.fromkeys(headers[file.name], opened)
        yield check_tensors(headers, content, str(folder)), where


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
