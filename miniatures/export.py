"""Export: a trained model as a safetensors file, the same bytes each time."""

import json
import math
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from transformers import T5ForConditionalGeneration

from miniatures.model import config_json
from miniatures.recipes import Recipe


def shipped_tensors(
    model: T5ForConditionalGeneration, recipe: Recipe
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the weights in bf16 under the names that `save_pretrained` writes, and the file's metadata."""
    tensors = {
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("embed_tokens.weight")
        and not (name == "lm_head.weight" and recipe.version == "v1.0")
    }
    return tensors, {"format": "pt", "config": config_json(recipe, model.config)}


def safetensors_bytes(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file; the library writes two metadata keys in an order of chance."""
    content = save(tensors)
    length = int.from_bytes(content[:8], "little")
    header = {"__metadata__": metadata, **json.loads(content[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def model_size(path: Path) -> dict[str, int]:
    """Return the parameters and bytes of a shipped model."""
    with safe_open(path, "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 (no mapping)
    return {"parameters": sum(math.prod(shape) for shape in shapes), "bytes": path.stat().st_size}
