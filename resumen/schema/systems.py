"""Systems: what is compared. A checkpoint × a template × decoding, or somebody else's predictions."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from resumen.runtime.errors import InputError, nearest
from resumen.runtime.paths import FINETUNED_DIR, PRETRAINED_DIR
from resumen.schema.params import Block, check_name, parse_block
from resumen.schema.suffixes import CONVERSIONS, SUFFIXES, suffix_of
from resumen.text.prompts import check_template

EXTRACTIVE = ("lead-1", "lead-3", "textrank", "random-3", "oracle")  # made by `extract`, no model needed


class SearchParams(Block):
    """What a system may say of the search beyond its decoding, under transformers' names.

    All of it is about the summary alone: where transformers counts a causal model's prompt too, we do not.
    """

    min_length: NonNegativeInt | None = None  # tokens; None, here and below: without
    min_new_tokens: NonNegativeInt | None = None
    repetition_penalty: PositiveFloat | None = None  # over 1: what was written is less likely again
    early_stopping: bool | Literal["never"] | None = None  # beams: true ends with the first so many
    forced_bos_token_id: NonNegativeInt | None = None  # the first token, such as the code of a language

    def least(self) -> int:
        """Return how many tokens a summary has at least."""
        return max(self.min_length or 0, self.min_new_tokens or 0)

    def of_an_answer(self) -> "SearchParams":
        """Return what holds of an answer too, which may be as short as it likes."""
        return self.model_copy(update={"min_length": None, "min_new_tokens": None})


class SystemParams(Block):
    """One entry of `systems`."""

    source: str = Field(alias="from")  # a model folder, or a file of id and prediction
    template: str | None = None  # None: the prompt that `format` made
    max_new_tokens: PositiveInt | None = None  # None, here and below: as `generate` says
    num_beams: PositiveInt | None = None
    length_penalty: PositiveFloat | None = None
    no_repeat_ngram_size: NonNegativeInt | None = None
    batch_size: PositiveInt | None = None
    generate: SearchParams | None = None  # where it says something, transformers' `generate` searches

    @field_validator("template")
    @classmethod
    def holds_the_article(cls, template: str | None) -> str | None:
        return template if template is None else check_template(template, "text")

    @model_validator(mode="after")
    def leaves_room_to_end(self) -> "SystemParams":
        if self.generate and self.max_new_tokens is not None:
            check_least(self.generate, self.max_new_tokens)
        return self

    @model_validator(mode="after")
    def foreign_takes_no_options(self) -> "SystemParams":
        if self.is_foreign and self.model_dump(exclude={"source"}, exclude_none=True):
            raise ValueError("a file of predictions takes `from` alone; take the other keys out")
        return self

    @property
    def is_foreign(self) -> bool:
        """Whether the predictions were made elsewhere: `from` is a file by its name."""
        return suffix_of(self.path) in (*SUFFIXES, *CONVERSIONS)

    @property
    def path(self) -> Path:
        return Path(self.source)

    @property
    def checkpoint(self) -> str | None:
        """The key of `checkpoints` that it runs as published, if it does."""
        return self.path.name if self.path.parent == PRETRAINED_DIR else None

    @property
    def finetuning(self) -> str | None:
        """The key of `finetunings` that it runs, if it does."""
        return self.path.name if self.path.parent == FINETUNED_DIR else None

    def overrides(self) -> dict[str, Any]:
        """Return what this entry says, to be laid over `generate`."""
        return self.model_dump(exclude={"source", "template", "generate"}, exclude_none=True)

    def decoding(self) -> dict[str, Any]:
        """Return what this entry says of decoding."""
        search = self.generate.model_dump(exclude_none=True) if self.generate else {}
        return {key: value for key, value in self.overrides().items() if key != "batch_size"} | search


def check_least(search: SearchParams, max_new_tokens: int) -> None:
    """Raise ValueError if a summary is to be longer than it may be."""
    if (least := search.least()) > max_new_tokens:
        raise ValueError(
            f"generate: expected a shortest summary of at most {max_new_tokens} tokens (max_new_tokens), got "
            f"{least}; lower {'min_new_tokens' if least == search.min_new_tokens else 'min_length'}"
        )


def system_names(params: dict[str, Any]) -> list[str]:
    """Return the keys of `systems`, in their order.

    Raises:
        InputError: there are none, or a key has a dot, a space or the name of a baseline.
    """
    systems = params.get("systems")
    if not isinstance(systems, dict) or not systems:
        raise InputError(f"params.yaml: systems: expected at least one system, got {systems!r}")
    for name in systems:
        check_name("systems", name)
        if name in EXTRACTIVE:
            raise InputError(f"params.yaml: systems.{name}: taken by a baseline; choose another name")
    return list(systems)


def system_params(params: dict[str, Any], name: str) -> SystemParams:
    """Return the checked entry of system `name`.

    Raises:
        InputError: no such system, or a fault in its entry.
    """
    names = system_names(params)
    if name not in names:
        raise InputError(f"params.yaml: systems.{name}: no such system{nearest(name, names)}")
    return parse_block(SystemParams, params["systems"][name], f"systems.{name}")
