"""What is tested, pairs of systems and interactions, and what their differences say."""

from typing import Any, NamedTuple

import numpy as np

from resumen.runtime.errors import InputError
from resumen.runtime.paths import PRETRAINED_DIR
from resumen.schema.comparisons import ComparisonParams, comparison_params
from resumen.schema.finetunings import finetuning_params
from resumen.schema.systems import system_params
from resumen.scoring.bootstrap import comparisons_left, difference, holm, minimum_detectable_effect, verdict


def base_system(params: dict[str, Any], system: str | None) -> str | None:
    """Return the system that runs the base of fine-tuned `system` with our template, if there is one."""
    entry = params["systems"].get(system)
    name = system_params(params, str(system)).finetuning if entry else None
    if name is None or name not in params["finetunings"]:
        return None
    base = {"from": (PRETRAINED_DIR / finetuning_params(params, name).base).as_posix()}

    def as_published(entry: Any) -> bool:
        """Return whether an entry has no template and no decoding of its own; its batch size is its own."""
        keys = entry if isinstance(entry, dict) else {}
        return {
            key: value for key, value in keys.items() if key != "batch_size" and value is not None
        } == base

    return next((other for other, its in params["systems"].items() if as_published(its)), None)


class Comparison(NamedTuple):
    """Two systems that are tested, by the name of the entry in `comparisons`."""

    name: str
    question: str
    system: str  # the one that is to be better
    against: str | None  # None: no system runs the base as it was published

    @property
    def systems(self) -> list[str | None]:
        return [self.system, self.against]

    def of(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """Return the difference of two systems' `values`."""
        assert self.against is not None
        difference: np.ndarray = values[self.system] - values[self.against]
        return difference


class Interaction(NamedTuple):
    """Two pairs of systems: whether the difference of the first is larger than that of the other."""

    name: str
    question: str
    comparison: Comparison
    against: Comparison

    @property
    def systems(self) -> list[str | None]:
        return [*self.comparison.systems, *self.against.systems]

    def of(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """Return the difference of the two differences of `values`, by system."""
        apart: np.ndarray = self.comparison.of(values) - self.against.of(values)
        return apart


Tested = Comparison | Interaction
TOLD = ("better", "worse", "larger", "smaller")  # the verdicts that tell a difference


def pair_of(params: dict[str, Any], name: str, entry: ComparisonParams) -> Comparison:
    """Return the pair of an entry that has a system."""
    assert entry.system is not None
    against = base_system(params, entry.system) if entry.against is None else entry.against
    return Comparison(name, entry.question, entry.system, against)


def comparisons_of(params: dict[str, Any]) -> list[Tested]:
    """Return the pairs and interactions of `comparisons`, in their order.

    Raises:
        InputError: a fault in the section, or what stands there twice.
    """
    entries = comparison_params(params)
    pairs = {name: pair_of(params, name, entry) for name, entry in entries.items() if entry.system}
    result: dict[frozenset[tuple[str | None, int]], Tested] = {}
    for name, entry in entries.items():
        one: Tested = (
            pairs[name]
            if name in pairs
            else Interaction(name, entry.question, pairs[str(entry.comparison)], pairs[str(entry.against)])
        )
        cells = frozenset(zip(one.systems, (1, -1, -1, 1), strict=False))  # and their signs
        first = result.setdefault(cells, one)
        if first.name != name:
            what = f"the pair of comparisons.{first.name}, {one.systems[0]} − {one.systems[1]}"
            if isinstance(one, Interaction):
                what = f"the difference of comparisons.{first.name}, rows and columns exchanged perhaps"
            raise InputError(
                f"params.yaml: comparisons.{name}: {what}; leave one out, since each takes its share of the "
                "error rate"
            )
    return list(result.values())


def compare_all(
    asked: list[Tested],
    values: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """Return those of `asked` whose systems are all there: difference, interval, p, corrected p, verdict.

    `values` has each system's scores (articles,), `means` its drawn means (samples,). All share the
    error rate. An interaction has `comparison` for `system`, and names the pairs.
    """
    there = [one for one in asked if all(system in values for system in one.systems)]
    result = [difference(one.of(values), one.of(means), confidence) for one in there]
    p_values = [row.p for row in result]
    return [
        {
            "name": one.name,
            "question": one.question,
            **sides_of(one),
            "difference": round(row.mean, 2),
            "lower": round(row.lower, 2),
            "upper": round(row.upper, 2),
            "p": round(row.p, 4),
            "p_holm": round(p, 4),
            "detectable": round(minimum_detectable_effect(row, confidence, tests), 2),
            "verdict": in_words(one, verdict(row, p, confidence, tests)),
        }
        for one, row, p, tests in zip(there, result, holm(p_values), comparisons_left(p_values), strict=True)
    ]


def agreement(verdict: str, content: str) -> str:
    """Return how a verdict by ROUGE-L and one over content words go together.

    >>> agreement("better", "cannot tell at n = 20"), agreement("worse", "worse")
    ('only ROUGE-L tells', 'agrees')
    """
    told, also = (one if one in TOLD else "" for one in (verdict, content))
    if told == also:
        return "agrees"
    if told and also:
        return "says the opposite"
    return "only ROUGE-L tells" if told else "only content words tell"


def in_words(one: Tested, verdict: str) -> str:
    """Return a verdict as it is said of `one`: an interaction is larger or smaller, not better."""
    if isinstance(one, Interaction):
        return {"better": "larger", "worse": "smaller"}.get(verdict, verdict)
    return verdict


def sides_of(one: Tested) -> dict[str, Any]:
    """Return the two sides as metrics/evaluation.json has them: systems, or the names of pairs."""
    if isinstance(one, Comparison):
        return {"system": one.system, "against": one.against}
    return {"comparison": one.comparison.name, "against": one.against.name, "systems": one.systems}
