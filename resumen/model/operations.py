"""What a T5 costs: its parameters, and the floating-point operations of reading and writing, by its shapes.

Counted are the products of matrices, two operations a multiplication with its addition, which is nearly all
of it; a backward pass is twice its forward pass (Kaplan et al. 2020, https://arxiv.org/abs/2001.08361). The
padding of a batch is not counted: it belongs to a way to batch articles, not to them.
"""

from math import prod

from resumen.checkpoint.config import ModelConfig


def num_parameters(config: ModelConfig, rows: int) -> int:
    """Return the numbers in all tensors of a checkpoint whose embedding has so many `rows`."""
    shapes = [*config.tensors(rows).values(), *([(rows, config.d_model)] if config.untied_head else [])]
    return sum(map(prod, shapes))


def feed_forward(config: ModelConfig, tokens: int) -> int:
    """Return the operations of one layer's feed-forward network on some tokens."""
    return 2 * tokens * config.d_model * config.d_ff * (3 if config.gated else 2)


def encoder_operations(config: ModelConfig, source: int) -> int:
    """Return the operations of reading `source` tokens, the decoder's keys and values of them with it."""
    projections = 2 * source * config.d_model * config.width * 4
    attention = 2 * source * source * config.width * 2
    layer = projections + attention + feed_forward(config, source)
    keys_and_values = 2 * source * config.d_model * config.width * 2
    return config.num_layers * layer + config.num_decoder_layers * keys_and_values


def decoder_operations(config: ModelConfig, rows: int, source: int, target: int, pairs: int) -> int:
    """Return the operations of `target` tokens that look at `source`; `pairs` of them look at one another."""
    projections = 2 * target * config.d_model * config.width * (4 + 2)  # its own four, two across
    attention = 2 * (pairs + target * source) * config.width * 2
    layer = projections + attention + feed_forward(config, target)
    return config.num_decoder_layers * layer + 2 * target * config.d_model * rows


def summary_operations(config: ModelConfig, rows: int, source: int, target: int, num_beams: int = 1) -> int:
    """Return the operations of reading `source` tokens and writing `target`, by so many beams.

    They are written one after another: a token looks at those before it and at itself, whose keys and
    values are kept.
    """
    written = decoder_operations(config, rows, source, target, pairs=target * (target + 1) // 2)
    return encoder_operations(config, source) + num_beams * written


def training_operations(config: ModelConfig, rows: int, source: int, target: int) -> int:
    """Return the operations of an article in a step of training: forward and backward, all tokens at once."""
    forward = encoder_operations(config, source)
    forward += decoder_operations(config, rows, source, target, pairs=target * target)
    return 3 * forward
