"""Weights that are not those of their config.json, or are: what stands instead of model.safetensors."""

from collections.abc import Callable

import numpy as np
from safetensors.numpy import save

Q = "encoder.block.0.layer.0.SelfAttention.q.weight"
NORM = "encoder.final_layer_norm.weight"
ONE, TWO = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
INDEX = "model.safetensors.index.json"
Tensors = dict[str, np.ndarray]


def without(name: str) -> Callable[[Tensors], dict[str, bytes]]:
    return lambda tensors: {"model.safetensors": save({k: v for k, v in tensors.items() if k != name})}


def with_tensor(name: str, tensor: np.ndarray) -> Callable[[Tensors], dict[str, bytes]]:
    return lambda tensors: {"model.safetensors": save(tensors | {name: tensor})}


def in_shards(tensors: Tensors, *shards: str) -> dict[str, bytes]:
    """Return the weights in two shards and their index, of the shards only those named."""
    names = sorted(tensors)
    parts = {ONE: names[::2], TWO: names[1::2]}
    indices = ", ".join(f'"{name}": "{shard}"' for shard, part in parts.items() for name in part)
    files = {shard: save({name: tensors[name] for name in parts[shard]}) for shard in shards}
    return files | {INDEX: f'{{"metadata": {{}}, "weight_map": {{{indices}}}}}'.encode()}


# What comes after the folder's name or the commit.
INCOMPLETE: dict[str, tuple[Callable[[Tensors], dict[str, bytes]], str]] = {
    "a tensor is missing": (without(Q), f": missing keys ['{Q}']; fetch or save"),
    "the head is missing": (without("lm_head.weight"), ": lm_head.weight or shared.weight is missing"),
    "another shape": (with_tensor(NORM, np.ones(7, "f4")), f": {NORM}: expected shape (16,), got (7,); take"),
    "a type that is not read": (
        with_tensor(NORM, np.ones(16, "i8")),
        f": {NORM}: expected one of F64, F32, F16, BF16, got I64; save the weights as float32",
    ),
    "a shard is missing": (
        lambda tensors: in_shards(tensors, ONE),
        f"/{INDEX}: weight_map: expected names of {ONE}, got '{TWO}'; fetch or save",
    ),
    "a tensor in two files": (
        lambda tensors: {"model.safetensors": save(tensors), ONE: save(tensors)},
        ": decoder.block.0.layer.0.SelfAttention.k.weight: stands in another file too; take one of them",
    ),
    "no weights": (lambda tensors: {"model.safetensors": b"no"}, ": model.safetensors: not readable as safe"),
}

# What a T5 has no use for, or may be in.
COMPLETE: dict[str, Callable[[Tensors], dict[str, bytes]]] = {
    "a tensor besides": with_tensor("noise", np.ones(3, "i4")),
    "the embedding again": lambda tensors: {
        "model.safetensors": save(tensors | {"encoder.embed_tokens.weight": tensors["shared.weight"]})
    },
    "shards": lambda tensors: in_shards(tensors, ONE, TWO),
    "half floats": lambda tensors: {
        "model.safetensors": save({name: tensor.astype("f2") for name, tensor in tensors.items()})
    },
}
