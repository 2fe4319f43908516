"""Seeds: fine-tune under several seeds, and tell what is a gain and what is luck.

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

from resumen.runtime.cli import parser
from resumen.runtime.commands import call, output_of
from resumen.runtime.errors import InputError
from resumen.runtime.paths import FINETUNED_DIR, PARAMS
from resumen.schema.params import ENTRY_NAME, parse_section, read_params
from resumen.schema.sections import EvaluateParams
from resumen.schema.systems import system_names, system_params
from resumen.scoring.bootstrap import bootstrap_means, percentile_interval
from resumen.scoring.comparisons import pairs
from resumen.scoring.registry import PRIMARY
from resumen.tools.compare import (
    Group,
    check_comparable,
    compared,
    miniature_lines,
    read_at,
    read_scored,
    table_lines,
)
from resumen.tools.queue import check_queue, pending, run_queued

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("seeds")

TRAINED_SYSTEM = "finetuned"


def seeds_of(text: str) -> list[int]:
    """Return the seeds of "13,14,15"; at least two, each once.

    >>> seeds_of("13,14")
    [13, 14]
    """
    try:
        result = [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"expected whole numbers joined by commas, got {text!r}") from None
    if len(result) < 2 or len(set(result)) < len(result) or min(result) < 0:
        raise ArgumentTypeError(f"expected at least two different seeds ≥ 0, got {text!r}")
    return result


def experiments() -> set[str]:
    """Return the names of the experiments of the last commit that have run.

    Read from git, where DVC keeps them (refs/exps/…): `dvc exp list` would wait for the lock of a run.
    """
    head = output_of("git", "rev-parse", "HEAD").strip()
    refs = f"refs/exps/{head[:2]}/{head[2:]}"
    return set(output_of("git", "for-each-ref", "--format=%(refname:lstrip=4)", refs).split())


def params_of(revision: str) -> dict[str, Any]:
    """Return the params.yaml of an experiment without the seed."""
    from ruamel.yaml import YAML

    params: dict[str, Any] = YAML(typ="safe", pure=True).load(read_at(revision, PARAMS))
    params["finetune"].pop("seed")
    return params


def check_same_params(names: list[str], own: dict[str, Any] | None) -> None:
    """Raise InputError unless the runs differ in their seed alone; from `own`, if given, too."""
    first, whose = own, "params.yaml" if own else names[0]
    for name in names:
        params = params_of(name)
        if first is not None and params != first:
            raise InputError(
                f"experiment {name} was run with other params than {whose} has; take another --name, or "
                f"`dvc exp remove {name}` and run it again"
            )
        first = params


def seed_summary(group: Group, params: EvaluateParams) -> list[str]:
    """Return the scores of the trained system by seed, their spread, and the articles' interval."""
    values = group.values(PRIMARY)[TRAINED_SYSTEM].to_numpy(dtype=float)
    means = values.mean(axis=0)
    drawn = bootstrap_means(values.mean(axis=1)[:, None], params.bootstrap_samples, params.seed)
    (lower,), (upper,) = percentile_interval(drawn, len(values), params.confidence)
    by_seed = [f"{run.name:<20} {mean:.2f}" for run, mean in zip(group.runs, means, strict=True)]
    return [
        f"{TRAINED_SYSTEM}, ROUGE-L on {len(values)} articles, by seed",
        *by_seed,
        f"{'mean':<20} {means.mean():.2f}; of a seed, deviation {means.std(ddof=1):.2f}, "
        f"range {np.ptp(means):.2f}; {100 * params.confidence:g} % interval by the articles {lower:.2f} to "
        f"{upper:.2f}",
    ]


def seed_pairs(group: Group, params: dict[str, Any]) -> "dict[str, tuple[pd.DataFrame, pd.DataFrame]]":
    """Return the pairs of `comparisons` that the seed moves one side of, as `compared` takes them."""
    values, result = group.values(PRIMARY), {}
    moved = {name for name in system_names(params) if system_params(params, name).path == FINETUNED_DIR}
    for pair in pairs(params):
        if {pair.system, pair.against} <= moved:
            log.warning("comparisons.%s: left out: the seed moves both", pair.name)
        elif pair.against in moved:
            log.warning("comparisons.%s: left out: the seed moves the other side; turn it round", pair.name)
        elif pair.system in moved and pair.system in values and pair.against in values:
            name = f"{pair.name} ({pair.system} − {pair.against})"
            result[name] = values[pair.against].iloc[:, :1], values[pair.system]
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
    done = experiments()
    missing = [name for name in names if name not in done]
    log.info("%d of %d seeds have run", len(names) - len(missing), len(names))
    changes = [part for change in options.set_param for part in ("-S", change)]
    if missing:
        check_queue()
        under_way = pending(missing)
        for name in [name for name in missing if name not in under_way]:
            seed = f"finetune.seed={names[name]}"
            if not call("dvc", "exp", "run", "--queue", "--quiet", "-n", name, "-S", seed, *changes):
                raise InputError(f"{name}: not queued; what DVC said stands above")
        run_queued(missing, options.jobs, experiments)
    all_params["finetune"].pop("seed")
    check_same_params(list(names), None if changes else all_params)
    group = Group(options.name, [read_scored(name) for name in names])
    check_comparable(group.runs, PRIMARY)
    if any(TRAINED_SYSTEM not in set(one.scores["system"]) for one in group.runs):
        raise InputError(
            f"params.yaml: systems.{TRAINED_SYSTEM}: no such system; the seeds move it alone, so add it"
        )
    own_params = params_of(group.runs[0].name) if changes else all_params
    rows = compared(seed_pairs(group, own_params), params, PRIMARY, is_fixed=True)
    table = table_lines(f"the other → {TRAINED_SYSTEM}", rows, [], params)
    others = {pair.against for pair in pairs(own_params) if pair.system == TRAINED_SYSTEM and pair.against}
    small = miniature_lines([group], [TRAINED_SYSTEM, *sorted(others)])
    sys.stdout.writelines(f"{line}\n" for line in [*seed_summary(group, params), "", *table, *small])
