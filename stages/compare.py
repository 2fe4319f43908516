"""Compare: tell whether two revisions or experiments differ, article by article.

`dvc metrics diff` shows two means; here the same articles are paired, and the difference has an interval, a
p-value (corrected for the number of systems, Holm) and a verdict. Scores made in other ways are refused.

Reads   data/scores.parquet and metrics/evaluation.json of both, through DVC

    python -m stages.compare HEAD                    the workspace against the last commit
    python -m stages.compare as-the-course ours      two experiments (`dvc exp show` names them)
    python -m stages.compare HEAD --measure chrf --system finetuned
"""

import io
import json
import logging
import sys
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stages.evaluate import EvaluateParams
from stages.shared.bootstrap import Difference, difference, drawn_means, holm, verdict
from stages.shared.cli import InputError, parser, run
from stages.shared.params import load_params, nearest

log = logging.getLogger("compare")

SCORES, EVALUATION = "data/scores.parquet", "metrics/evaluation.json"
WORKSPACE = "workspace"


class Scored(NamedTuple):
    """The scores of one revision, and how they were made."""

    name: str
    scores: pd.DataFrame
    signature: list[str]


def read(revision: str) -> Scored:
    """Return what a commit, a branch, an experiment or the workspace scored.

    Raises:
        InputError: there is no such revision, or its scores are neither here nor in the cache.
    """
    import dvc.api  # 1 s to import

    content = {}
    for path in (SCORES, EVALUATION):
        try:
            rev = None if revision == WORKSPACE else revision
            content[path] = dvc.api.read(path, rev=rev, mode="rb")
        except Exception as error:  # DVC's, git's and the file system's have no class in common
            said = str(error).strip().split("\n")[0]
            raise InputError(
                f"{revision}: cannot read {path} ({said}); take a commit or an experiment that has run, "
                "and `dvc pull` or `dvc repro` it if its data are elsewhere"
            ) from error
    evaluation = json.loads(content[EVALUATION])
    return Scored(revision, pd.read_parquet(io.BytesIO(content[SCORES])), evaluation["signature"])


def check_comparable(one: Scored, other: Scored, measure: str) -> None:
    """Raise InputError unless both were scored in the same way, on the same articles, by `measure`."""
    if one.signature != other.signature:
        apart = sorted(set(one.signature) ^ set(other.signature))
        raise InputError(
            f"{one.name} and {other.name} were scored in different ways ({', '.join(apart)}); no difference "
            "between them would mean anything. Run both with the same data, versions and `evaluate`"
        )
    for scored in (one, other):
        if measure not in scored.scores.select_dtypes("number").columns:
            known = list(scored.scores.select_dtypes("number").columns)
            raise InputError(f"--measure: {scored.name} has no {measure!r}{nearest(measure, known)}")


def values_of(scored: Scored, measure: str) -> dict[str, pd.Series]:
    """Return each system's values by article."""
    return {system: group.set_index("id")[measure] for system, group in scored.scores.groupby("system")}


def differences(
    one: Scored, other: Scored, measure: str, systems: list[str], params: EvaluateParams
) -> list[dict[str, Any]]:
    """Return, for each of `systems`, the means, the paired difference (`other` − `one`) and its verdict."""
    before, after = values_of(one, measure), values_of(other, measure)
    found: list[tuple[str, float, float, Difference, int]] = []
    for system in systems:
        first = before[system].to_numpy(dtype=float)
        second = after[system].loc[before[system].index].to_numpy(dtype=float)
        apart = second - first
        drawn = drawn_means(apart[:, None], params.bootstrap_samples, params.seed)[:, 0]
        row = difference(apart, drawn, params.confidence)
        found.append((system, float(first.mean()), float(second.mean()), row, len(apart)))
    corrected = holm([row.p for *_, row, _ in found])
    return [
        {
            "system": system,
            one.name: first,
            other.name: second,
            "row": row,
            "p": p,
            "verdict": verdict(row, p, count, params.confidence),
        }
        for (system, first, second, row, count), p in zip(found, corrected, strict=True)
    ]


def lines(
    one: Scored, other: Scored, rows: list[dict[str, Any]], equal: list[str], params: EvaluateParams
) -> list[str]:
    """Return the table as it is printed."""
    head = f"{one.name} → {other.name}"
    said = [f"{'system':<20} {head:<40} difference, {100 * params.confidence:g} % interval"]
    for made in rows:
        row = made["row"]
        means = f"{made[one.name]:.2f} → {made[other.name]:.2f}"
        interval = f"{row.mean:+.2f} ({row.lower:+.2f} to {row.upper:+.2f}), p = {made['p']:.4f}"
        said.append(f"{made['system']:<20} {means:<40} {interval}: {made['verdict']}")
        said.append(f"{'':<20} these articles can show a difference of {row.detectable:.2f}")
    if equal:
        said.append(f"equal in both, article by article: {', '.join(equal)}")
    return said


def main() -> None:
    arguments = parser(__doc__, "python -m stages.compare HEAD --measure rougeL")
    arguments.add_argument("revision", help="a commit, a branch or an experiment")
    arguments.add_argument("other", nargs="?", default=WORKSPACE, help="another (default: the workspace)")
    arguments.add_argument("--measure", default="rougeL", help="a column of the scores (default: rougeL)")
    arguments.add_argument("--system", help="one system (default: all that both have)")
    options = arguments.parse_args()
    params = load_params(EvaluateParams, "evaluate")
    one, other = read(options.revision), read(options.other)
    check_comparable(one, other, options.measure)
    before, after = values_of(one, options.measure), values_of(other, options.measure)
    both = [system for system in before if system in after]
    if options.system and options.system not in both:
        raise InputError(f"--system: not in both: {options.system!r}{nearest(options.system, both)}")
    systems = [options.system] if options.system else both
    equal = [name for name in systems if np.array_equal(before[name], after[name].loc[before[name].index])]
    apart = [name for name in systems if name not in equal]
    rows = differences(one, other, options.measure, apart, params)
    sys.stdout.writelines(f"{line}\n" for line in lines(one, other, rows, equal, params))


if __name__ == "__main__":
    run(main)
