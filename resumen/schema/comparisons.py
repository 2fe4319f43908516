"""The `comparisons` section of params.yaml: which pairs of systems are tested, under which question."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from resumen.runtime.errors import InputError, shown
from resumen.schema.params import Block, check_name, parse_block


class ComparisonParams(Block):
    """One entry of `comparisons`."""

    question: Annotated[str, Field(min_length=1)]  # that its difference answers
    system: str  # the one that is to be better
    against: str | None  # None: the system that runs finetune.base as it was published

    @model_validator(mode="after")
    def is_a_pair(self) -> "ComparisonParams":
        if self.system == self.against:
            raise ValueError("a system against itself is no comparison")
        return self


def comparison_params(params: dict[str, Any]) -> dict[str, ComparisonParams]:
    """Return the checked entries of `comparisons`, in their order.

    Raises:
        InputError: the section is no mapping, or a fault in an entry.
    """
    entries = params.get("comparisons")
    if not isinstance(entries, dict):
        raise InputError(
            f"params.yaml: comparisons: expected a mapping of pairs, got {shown(entries)}; {{}} is none"
        )
    for name in entries:
        check_name("comparisons", name)
    return {
        name: parse_block(ComparisonParams, entry, f"comparisons.{name}") for name, entry in entries.items()
    }
