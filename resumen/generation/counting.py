"""What a model of transformers takes: memory by its sizes, operations by a run on tensors without values."""

from fractions import Fraction
from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedConfig

from resumen.model.memory import FLOAT32, PROGRAM, Need
from resumen.model.private import attends_in_one, fake_tensors
from resumen.schema.sections import Decoding

LENGTH_STEP = 256  # tokens between the lengths that are counted: whole blocks where an attention has some


def encoder_of(config: PreTrainedConfig) -> PreTrainedConfig:
    """Return the sizes of an encoder-decoder's encoder."""
    encoder = getattr(config, "encoder", None)
    return encoder if isinstance(encoder, PreTrainedConfig) else config.get_text_config(encoder=True)


def config_size(config: PreTrainedConfig, *names: str, default: int) -> int:
    """Return the first of the sizes of a config that it has."""
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int) and value > 0), default)


def cached_bytes(config: PreTrainedConfig, dtype: torch.dtype) -> int:
    """Return the bytes of the keys and values of a token in all layers of a decoder."""
    hidden = config_size(config, "hidden_size", default=1)
    heads = config_size(config, "num_attention_heads", default=1)
    width = config_size(config, "head_dim", default=hidden // heads)
    layers = config_size(config, "num_hidden_layers", default=1)
    return 2 * layers * config_size(config, "num_key_value_heads", default=heads) * width * dtype.itemsize


def reading_bytes(config: PreTrainedConfig, source: int, dtype: torch.dtype) -> int:
    """Return the most bytes that reading `source` tokens takes at once, in a layer; what is kept, apart.

    The scores of PyTorch's own attention never stand all at once; LongT5's look at three blocks, and at one
    token for each block of its global ones.
    """
    hidden = config_size(config, "hidden_size", default=1)
    inner = config_size(config, "intermediate_size", "ffn_dim", "d_ff", "n_inner", default=4 * hidden)
    looked_at = source
    if radius := config_size(config, "local_radius", default=0):
        blocks = source // config_size(config, "global_block_size", default=source)
        looked_at = min(source, 3 * (radius + 1) + blocks)
    elif attends_in_one(config.model_type):
        looked_at = 0
    scores = 3 * config_size(config, "num_attention_heads", default=1) * looked_at
    return source * (12 * hidden + 4 * inner + scores) * max(dtype.itemsize, FLOAT32)


def memory_need(
    config: PreTrainedConfig, weights: int, dtype: torch.dtype, source: int, decoding: Decoding
) -> Need:
    """Return what generating from prompts of `source` tokens takes, beside `weights`, in numbers.

    transformers copies a prompt for each beam: a causal model reads it so often, a decoder looks at so many.
    """
    decoder, beams = config.get_text_config(decoder=True), decoding.num_beams
    cached = cached_bytes(decoder, dtype) * (source + decoding.max_new_tokens) * beams
    logits = 3 * config_size(decoder, "vocab_size", default=1) * FLOAT32 * beams
    is_pair = bool(config.is_encoder_decoder)
    reading = reading_bytes(encoder_of(config) if is_pair else decoder, source, dtype) * (
        1 if is_pair else beams
    )
    return Need(PROGRAM + weights * dtype.itemsize, cached + max(logits, reading) + logits)


class Operations:
    """Counts the floating-point operations of a model: the products of matrices, as PyTorch counts them.

    They are a polynomial of the second degree in the lengths of prompt and summary, so a few runs tell all of
    it.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        self.is_pair = bool(config.is_encoder_decoder)
        auto: Any = AutoModelForSeq2SeqLM if self.is_pair else AutoModelForCausalLM
        self.count = cache(self.counted)
        sides = (config.get_text_config(decoder=True), encoder_of(config))
        positions = min(
            config_size(side, "max_position_embeddings", default=3 * LENGTH_STEP) for side in sides
        )
        self.step = min(LENGTH_STEP, positions // 3)
        self.without_values = fake_tensors()
        with self.without_values:
            self.model = auto.from_config(config, attn_implementation="eager").eval()

    def counted(self, source: int, target: int) -> int:
        """Return the operations of reading `source` tokens at once, and `target` in the decoder.

        A causal model reads the `source` and gives the logits of its last token.
        """
        with self.without_values, torch.inference_mode(), FlopCounterMode(display=False) as counter:
            ids, start = (torch.zeros(1, length, dtype=torch.long) for length in (source, target))
            rest: dict[str, Any] = {"decoder_input_ids": start}
            if not self.is_pair:
                rest = {"attention_mask": torch.ones_like(ids), "logits_to_keep": 1}
            self.model(input_ids=ids, use_cache=False, **rest)
        return int(counter.get_total_flops())

    def written(self, source: int, target: int, num_beams: int) -> Fraction:
        """Return the operations of reading `source` tokens and writing `target`, by so many beams.

        They are written one after another: a token looks at those before it, whose keys and values are kept.
        """
        h, f = self.step, self.count
        square_s = Fraction(f(3 * h, h) - 2 * f(2 * h, h) + f(h, h), 2 * h * h)  # of source × source
        if not self.is_pair:
            each = Fraction(f(2 * h, h) - f(h, h), h) - 3 * h * square_s  # of a token
            last = f(h, h) - h * each - h * h * square_s  # of one that is to go on
            looks = source * source + sum(range(source + 1, source + target))
            return num_beams * (last * target + each * (source + target - 1) + square_s * looks)
        square_t = Fraction(f(h, 3 * h) - 2 * f(h, 2 * h) + f(h, h), 2 * h * h)
        across = Fraction(f(2 * h, 2 * h) - f(2 * h, h) - f(h, 2 * h) + f(h, h), h * h)
        each_s = Fraction(f(2 * h, h) - f(h, h), h) - 3 * h * square_s - h * across
        each_t = Fraction(f(h, 2 * h) - f(h, h), h) - 3 * h * square_t - h * across
        once = f(h, h) - h * (each_s + each_t) - h * h * (square_s + square_t + across)
        reading = once + each_s * source + square_s * source * source
        pairs = target * (target + 1) // 2
        return reading + num_beams * (each_t * target + square_t * pairs + across * source * target)
