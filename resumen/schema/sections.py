"""The sections of params.yaml, a class each; units stand in the comments."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NegativeFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

from resumen.runtime.errors import nearest
from resumen.schema.params import Block
from resumen.text.language import LANGUAGE_NAMES
from resumen.text.prompts import check_template
from resumen.text.stems import WITHOUT, stop_words

Precision = Literal["auto", "bf16", "fp32"]
GeneratePrecision = Literal["auto", "bf16", "fp32", "int8"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy takes
Share = Annotated[float, Field(ge=0, lt=1)]
Schedule = Literal["linear", "cosine", "constant"]
STYLES = ("instruction", "conversation")  # of `format.style`


def check_style(style: str) -> str:
    """Return `style` if it is one of STYLES.

    Raises:
        ValueError: it is not.
    """
    if style not in STYLES:
        raise ValueError(f"unknown style, expected {' or '.join(STYLES)}")
    return style


Style = Annotated[str, AfterValidator(check_style)]


def check_rows(value: Any) -> Any:
    """Return `value` if it is a number of rows ≥ 1 or "all"."""
    if value == "all" or value is None or (type(value) is int and value >= 1):
        return value
    raise ValueError("expected a number of rows ≥ 1, or all")


ValidationRows = Annotated[int | Literal["all"], BeforeValidator(check_rows)]


class FormatParams(Block):
    style: Style
    template: str  # prompt, with {text} once where the article goes; {title} and {topic} are known
    completion: str  # what the model is to write, with {summary}
    templates: str | None  # a set of prompts/templates.yaml instead of template and completion
    seed: NonNegativeInt  # of the draw from the set

    @field_validator("template")
    @classmethod
    def holds_the_article(cls, template: str) -> str:
        return check_template(template, "text")

    @field_validator("completion")
    @classmethod
    def holds_the_summary(cls, completion: str) -> str:
        return check_template(completion, "summary")


class StyleParams(Block):
    """What is read of `format`."""

    style: Style  # which way a prompt that is too long is cut


class TokenizeParams(Block):
    source_tokens: PositiveInt  # longer prompts are cut, as format.style says; </s> included
    target_tokens: PositiveInt  # longer completions are cut; </s> included
    padding: Literal["dynamic", "longest"]
    spell_spanish: bool  # give missing letters the spare rows of the embedding
    min_letter_count: PositiveInt  # occurrences in the training split before a letter earns a row
    letter_score: NegativeFloat  # log-probability of a new letter in the Unigram vocabulary


class SourceParams(Block):
    """What is read of `tokenize`."""

    source_tokens: PositiveInt  # longer prompts are cut


class FinetuneParams(Block):
    moved: ClassVar = {"base": "finetunings.F.base"}

    epochs: PositiveInt
    learning_rate: PositiveFloat  # peak
    batch_size: PositiveInt  # articles of a forward pass, of the longest; of shorter ones up to twice as many
    gradient_accumulation: PositiveInt  # forward passes a step
    schedule: Schedule  # after the warm-up
    warmup_ratio: Share  # of the steps
    weight_decay: NonNegativeFloat
    max_grad_norm: PositiveFloat
    label_smoothing: Share
    dropout: Share  # in every layer, one mask for all positions
    compile: bool  # the encoder, for batches of the longest rows; takes minutes, for runs of hours
    precision: Precision  # of the arithmetic; weights and gradients stay in float32
    max_new_tokens: PositiveInt  # of a validation summary, which is greedy
    validation_rows: ValidationRows  # scored each epoch
    seed: Seed


class Decoding(Block):
    """How `generate` chooses tokens; the names are those of transformers' GenerationConfig."""

    max_new_tokens: PositiveInt
    num_beams: PositiveInt  # 1 is greedy
    length_penalty: PositiveFloat  # beams only; > 1 favours longer outputs
    no_repeat_ngram_size: NonNegativeInt  # 0 allows repetition


class GenerateParams(Decoding):
    batch_size: PositiveInt  # token budget of a batch: batch_size × the longest article
    precision: GeneratePrecision  # int8: the weights alone; of a T5, on a CPU


class ProbeParams(Block):
    generated: NonNegativeInt  # questions about made-up news, besides the prompts of probes.yaml
    seed: NonNegativeInt  # of the news that they ask about


class ExtractParams(Block):
    seed: NonNegativeInt  # of random-3
    stop_words: str | None  # ISO 639-1 code of the language whose stop words TextRank passes over, or none

    @field_validator("stop_words")
    @classmethod
    def are_known(cls, language: str | None) -> str | None:
        if language not in (None, WITHOUT) and not stop_words(language):
            known = [*filter(stop_words, LANGUAGE_NAMES), WITHOUT]
            raise ValueError(f"no stop words of that language{nearest(language, known)}")
        return language


class EvaluateParams(Block):
    bootstrap_samples: PositiveInt
    confidence: float = Field(gt=0, lt=1)  # of the intervals
    seed: NonNegativeInt
    stemming: Literal["none", "snowball"]  # of the words of ROUGE, but for the ASCII ones, by data.language
