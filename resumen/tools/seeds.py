"""Seeds: fine-tune under several seeds, and tell what is a gain and what is luck, of every fine-tuning.

The seed decides the order of the articles and what dropout drops, and with them several points. Each seed is
an experiment of DVC's queue, in a folder of its own; those that have run are not run again, and what needs no
training comes from the cache. What else is queued runs too. A difference is called better or worse where it
shows both among the articles and among the seeds.

Reads   data/scores.parquet and metrics/evaluation.json of the experiments, through DVC
Params  evaluate; finetune.seed is set for each

    resumen seeds
    resumen seeds --seeds 13,14,15 --name slow -S finetune.learning_rate=1e-3
    resumen compare seed-13,seed-14,seed-15 slow-13,slow-14,slow-15
"""

import logging
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

import numpy as np

from resumen.page.languages import Bilingual, grouped
from resumen.page.terminal import interval, localized, number
from resumen.runtime.cli import parser, whole_numbers
from resumen.runtime.errors import InputError
from resumen.schema.params import ENTRY_NAME, parse_section, read_params
from resumen.schema.sections import EvaluateParams
from resumen.schema.systems import system_names, system_params
from resumen.scoring.bootstrap import bootstrap_means, percentile_interval
from resumen.scoring.comparisons import Comparison, comparisons_of, in_words
from resumen.scoring.registry import CONTENT, PRIMARY
from resumen.tools.compare import (
    Compared,
    Group,
    check_comparable,
    compared,
    has_measure,
    miniature_lines,
    read_scored,
    table_lines,
)
from resumen.tools.queue import check_same_params, params_of, run_missing, with_values

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("seeds")

SEED = "finetune.seed"  # what an experiment changes


def seeds_of(text: str) -> list[int]:
    """Return the seeds of "13,14,15"; at least two, each once.

    >>> seeds_of("13,14")
    [13, 14]
    """
    result = whole_numbers(text)
    if len(result) < 2:
        raise ArgumentTypeError(f"expected at least two different seeds, got {text!r}")
    return result


def trained_systems(params: dict[str, Any]) -> list[str]:
    """Return the systems that the seed moves: those of a fine-tuning."""
    return [name for name in system_names(params) if system_params(params, name).finetuning]


def seed_summary(group: Group, system: str, params: EvaluateParams) -> list[str]:
    """Return the scores of a trained system by seed, their spread, and the articles' interval."""
    values = group.values(PRIMARY)[system].to_numpy(dtype=float)
    means = values.mean(axis=0)
    drawn = bootstrap_means(values.mean(axis=1)[:, None], params.bootstrap_samples, params.seed)
    (lower,), (upper,) = percentile_interval(drawn, len(values), params.confidence)
    by_seed = [f"{run.name:<20} {number(mean)}" for run, mean in zip(group.runs, means, strict=True)]
    count, percent = grouped(len(values)), f"{100 * params.confidence:g} %"
    mean, deviation, width = (number(value) for value in (means.mean(), means.std(ddof=1), np.ptp(means)))
    bounds = interval(lower, upper)
    head = Bilingual(
        f"{system}, ROUGE-L on {count.en} articles, by seed",
        f"{system}, ROUGE-L en {count.es} artículos, por semilla",
    )
    total = Bilingual(
        f"{'mean':<20} {mean}; of a seed, deviation {deviation}, range {width}; "
        f"{percent} interval by the articles {bounds}",
        f"{'media':<20} {mean}; entre semillas, desviación {deviation}, rango {width}; "
        f"intervalo del {percent} por artículos, {bounds}",
    )
    return [localized(head), *by_seed, localized(total)]


def seed_pairs(
    group: Group, params: dict[str, Any], measure: str
) -> "dict[str, tuple[pd.DataFrame, pd.DataFrame]]":
    """Return what of `comparisons` the seed moves, as `compared` takes it; of an interaction the pairs."""
    moved, values = set(trained_systems(params)), group.values(measure)
    values = {name: runs if name in moved else runs.iloc[:, :1] for name, runs in values.items()}

    def apart(pair: Comparison) -> "pd.DataFrame":
        assert pair.against is not None
        one, other = values[pair.system], values[pair.against].loc[values[pair.system].index]
        import pandas as pd  # half a second

        return pd.DataFrame(one.to_numpy() - other.to_numpy(), index=one.index)  # (articles, 1 or seeds)

    result = {}
    for one in comparisons_of(params):
        if not moved & set(one.systems) or not all(name in values for name in one.systems):
            continue
        if isinstance(one, Comparison):
            name = f"{one.name} ({one.system} − {one.against})"
            result[name] = values[str(one.against)], values[one.system]
        else:
            name = f"{one.name} ({one.comparison.name} − {one.against.name})"
            result[name] = apart(one.against), apart(one.comparison)
    return result


def main() -> None:
    arguments = parser(__doc__, "resumen seeds --seeds 13,14,15")
    arguments.add_argument("--seeds", type=seeds_of, default="13,14,15,16,17", help="(default: %(default)s)")
    arguments.add_argument(
        "--name", default="seed", help="the experiments are called NAME-SEED (default: seed)"
    )
    arguments.add_argument("--jobs", type=int, default=1, help="experiments at a time (default: 1)")
    arguments.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="as dvc's"
    )
    options = arguments.parse_args()
    if options.set_param and options.name == "seed":
        raise InputError("-S: the runs need a name of their own; add --name, such as --name slow")
    if options.jobs < 1:
        raise InputError(f"--jobs: expected experiments at a time, 1 or more, got {options.jobs}")
    if not ENTRY_NAME.fullmatch(options.name):
        raise InputError(f"--name: expected letters, digits, - and _, got {options.name!r}")
    all_params = read_params()
    params = parse_section(EvaluateParams, all_params, "evaluate")
    names = {f"{options.name}-{seed}": seed for seed in options.seeds}
    changes = [part for change in options.set_param for part in ("-S", change)]
    run_missing(
        {name: ["-S", f"finetune.seed={seed}", *changes] for name, seed in names.items()}, options.jobs
    )
    own_params = params_of(next(iter(names))) if changes else all_params
    for name, seed in names.items():
        expected = with_values(own_params, {SEED: seed})
        check_same_params(name, expected, "the first" if changes else "params.yaml")
    group = Group(options.name, [read_scored(name) for name in names])
    check_comparable(group.runs, PRIMARY)
    trained = [name for name in trained_systems(own_params) if name in group.values(PRIMARY)]
    if not trained:
        raise InputError("params.yaml: systems: none is from models/finetuned/F, and the seed moves no other")
    asked = {one.name: one for one in comparisons_of(own_params)}

    def rows(measure: str) -> list[Compared]:
        return [
            row._replace(verdict=in_words(asked[row.system.split()[0]], row.verdict))
            for row in compared(seed_pairs(group, own_params, measure), params, measure, is_fixed=True)
        ]

    contents = {row.system: row for row in rows(CONTENT)} if has_measure(group.runs, CONTENT) else {}
    head = localized(Bilingual("the second → the first", "el segundo → el primero"))
    table = table_lines(head, rows(PRIMARY), contents, [], params)
    named = [
        name for one in comparisons_of(own_params) if set(trained) & set(one.systems) for name in one.systems
    ]
    small = miniature_lines([group], [*dict.fromkeys([*trained, *filter(None, named)])])
    summaries = [line for name in trained for line in [*seed_summary(group, name, params), ""]]
    sys.stdout.writelines(f"{line}\n" for line in [*summaries, *table, *small])
