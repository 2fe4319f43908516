"""Weights in eight bits, to generate on a CPU: what passes between the products stays in float32.

Each output's weights have a scale of their own, and so have each token's states, as they come: a summary does
not depend on the articles beside it in a batch. Sums of products are exact whole numbers. Weights have seven
bits: where a processor has no VNNI, oneDNN adds two products in 16 bits, and 255 × 127 × 2 is too much.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from resumen.model.private import int8_matmul

MAX_STATE, MAX_WEIGHT = 127, 63
SMALLEST = 1e-30  # of a scale: zeros stay zeros


@dataclass(frozen=True)
class Int8Weight:
    """A product's weight: `values` × `scale`."""

    values: Tensor  # (outputs, features), int8
    scale: Tensor  # (outputs,), float32

    @classmethod
    def of(cls, weight: Tensor) -> "Int8Weight":
        """Return `weight`, (outputs, features), rounded."""
        scale = weight.abs().amax(1).div_(MAX_WEIGHT).clamp_(min=SMALLEST)
        return cls((weight / scale[:, None]).round_().to(torch.int8), scale)

    def chunk(self, count: int) -> "list[Int8Weight]":
        """Return `count` equal parts of the outputs."""
        parts = zip(self.values.chunk(count), self.scale.chunk(count), strict=True)
        return [Int8Weight(*part) for part in parts]


def int8_linear(states: Tensor, weight: Int8Weight) -> Tensor:
    """Return the product of states, (…, features), and a weight, (outputs, features), both rounded."""
    rows = states.flatten(0, -2)
    scale = torch.maximum(rows.amax(-1, keepdim=True), rows.amin(-1, keepdim=True).neg_())  # (rows, 1)
    scale.div_(MAX_STATE).clamp_(min=SMALLEST)
    sums = int8_matmul()((rows / scale).round_().to(torch.int8), weight.values.T)  # (rows, outputs), int32
    return sums.float().mul_(scale).mul_(weight.scale).view(*states.shape[:-1], -1)
