"""The recipe of the fine-tuning, apart from the stage so that `check` need not import transformers."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from stages.shared.choices import Precision
from stages.shared.params import Block


def check_rows(value: Any) -> Any:
    """Return `value` if it is a number of rows ≥ 1 or "all"."""
    if value == "all" or value is None or (type(value) is int and value >= 1):
        return value
    raise ValueError("expected a number of rows ≥ 1, or all")


Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy takes
Share = Annotated[float, Field(ge=0, lt=1)]


class FinetuneParams(Block):
    base: str  # a key of `checkpoints`
    epochs: PositiveInt
    learning_rate: PositiveFloat  # peak
    batch_size: PositiveInt  # articles of the greatest length a forward pass; of shorter ones there are more
    gradient_accumulation: PositiveInt  # forward passes a step
    schedule: Literal["linear", "cosine", "constant"]  # after the warm-up
    warmup_ratio: Share  # of the steps
    weight_decay: NonNegativeFloat
    max_grad_norm: PositiveFloat
    label_smoothing: Share
    dropout: Share  # in every layer, one mask for all positions
    compile: bool  # the encoder, for batches of the longest rows; takes minutes, for runs of hours
    precision: Precision  # of the arithmetic; weights and gradients stay in float32
    max_new_tokens: PositiveInt  # of a validation summary, which is greedy
    validation_rows: Annotated[int | Literal["all"], BeforeValidator(check_rows)]  # scored each epoch
    seed: Seed
