"""The `comparisons` section of params.yaml: what is tested, under which question.

A pair of systems, or two pairs: the interaction is the difference of their differences.
"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from resumen.runtime.errors import InputError, nearest, shown
from resumen.schema.params import Block, check_name, parse_block


class ComparisonParams(Block):
    """One entry of `comparisons`."""

    question: Annotated[str, Field(min_length=1)]  # that its difference answers
    system: str | None = None  # the one that is to be better
    comparison: str | None = None  # instead: the entry whose difference is to be larger
    against: str | None = None  # the other; None: the system that runs the base as it was published

    @model_validator(mode="after")
    def is_a_pair(self) -> "ComparisonParams":
        if (self.system is None) == (self.comparison is None):
            raise ValueError("expected system and against, or comparison and against")
        if self.comparison is not None and self.against is None:
            raise ValueError("a comparison needs another in against")
        if self.against is not None and self.against in (self.system, self.comparison):
            raise ValueError(f"a {'system' if self.system else 'comparison'} against itself is no comparison")
        return self


def comparison_params(params: dict[str, Any]) -> dict[str, ComparisonParams]:
    """Return the checked entries of `comparisons`, in their order.

    Raises:
        InputError: the section is no mapping, a fault in an entry, or an interaction of what is no pair here.
    """
    entries = params.get("comparisons")
    if not isinstance(entries, dict):
        raise InputError(
            f"params.yaml: comparisons: expected a mapping of pairs, got {shown(entries)}; {{}} is none"
        )
    for name in entries:
        check_name("comparisons", name)
    result = {
        name: parse_block(ComparisonParams, entry, f"comparisons.{name}") for name, entry in entries.items()
    }
    of_systems = [name for name, entry in result.items() if entry.system]
    for name, entry in result.items():
        for key in ("comparison", "against"):
            other = getattr(entry, key)
            if entry.comparison and other not in of_systems:
                raise InputError(
                    f"params.yaml: comparisons.{name}.{key}: expected an entry of comparisons that has a "
                    f"system, got {other!r}{nearest(other, of_systems)}"
                )
    return result
