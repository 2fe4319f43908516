"""What params.yaml says of how a model computes and writes, apart so that `check` imports no torch."""

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from stages.shared.params import Block

Precision = Literal["auto", "bf16", "fp32"]


class Decoding(Block):
    """How `generate` chooses tokens; the names are those of transformers' GenerationConfig."""

    max_new_tokens: PositiveInt
    num_beams: PositiveInt  # 1 is greedy
    length_penalty: PositiveFloat  # beams only; > 1 favours longer outputs
    no_repeat_ngram_size: NonNegativeInt  # 0 allows repetition


class GenerateParams(Decoding):
    batch_size: PositiveInt  # articles of the greatest length; of shorter ones there are more
    precision: Precision
