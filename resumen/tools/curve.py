"""Curve: fine-tune on fewer and more articles, and tell how much data fine-tuning takes.

Each number of articles and seed is an experiment of DVC's queue, as those of `resumen seeds` are; those that
have run are not run again. The articles are nested and the same for every base. All take the same number of
steps and are validated at the same steps: what few articles lack is articles, not training. The vocabulary
is taught on the whole training split.

Reads   data/scores.parquet and metrics/evaluation.json of the experiments, through DVC
Writes  metrics/curve.json, which the report shows (`dvc repro report`), and reports/curve.html
Params  evaluate; finetunings.F.rows and finetune.seed are set for each

    resumen curve --rows 50,150,500,1500
    resumen curve --rows 100,1000 --finetunings flan-small --seeds 13,14,15
"""

import logging
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from resumen.page.curve import curve_page, made_with_of, passes_in_words
from resumen.page.languages import Bilingual, grouped, verdict_of
from resumen.page.table import is_base_miniature, system_of
from resumen.page.terminal import interval, localized, number, terminal_language
from resumen.runtime.cli import parser, whole_numbers
from resumen.runtime.errors import InputError
from resumen.runtime.files import write_text
from resumen.runtime.jsonfiles import write_json
from resumen.runtime.paths import CURVE_PAGE, DATA_CURVE, FINETUNED_DIR, RAW_TRAIN
from resumen.schema.checkpoints import why_left_out
from resumen.schema.finetunings import finetuning_names, finetuning_params
from resumen.schema.params import ENTRY_NAME, parse_section, read_params
from resumen.schema.rows import num_rows
from resumen.schema.sections import EvaluateParams
from resumen.scoring.bootstrap import bootstrap_means, percentile_interval
from resumen.scoring.comparisons import base_system
from resumen.scoring.registry import PRIMARY
from resumen.tools.check import check
from resumen.tools.compare import Compared, Group, check_comparable, compared, read_scored
from resumen.tools.queue import check_same_params, run_missing, with_values
from resumen.tools.results import changed_since_run

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("curve")

BASELINE = "lead-3"


def names_of(text: str) -> list[str]:
    """Return the names of "flan-small,t5-small"."""
    names = text.split(",")
    if len(set(names)) < len(names):
        raise ArgumentTypeError(f"expected different names, got {text!r}")
    return names


class Point(NamedTuple):
    """A fine-tuning on so many articles, 0: its base as it was published."""

    finetuning: str
    rows: int
    scores: "pd.DataFrame"  # ROUGE-L, in points, (articles, seeds), by id


def values_of(finetunings: Iterable[str], rows: int, seed: int, num_train: int) -> dict[str, int | None]:
    """Return the params of a point, by key: of all articles, those of the run as it is.

    >>> values_of(["t5-small"], 1500, 13, num_train=1500)
    {'finetunings.t5-small.rows': None, 'finetune.seed': 13}
    """
    value = None if rows == num_train else rows
    return {**{f"finetunings.{name}.rows": value for name in finetunings}, "finetune.seed": seed}


def changes_of(values: dict[str, int | None]) -> list[str]:
    """Return the options of `dvc exp run` that set params, also such as an entry has not.

    >>> changes_of({"finetunings.t5-small.rows": 50, "finetune.seed": 13})
    ['-S', '++finetunings.t5-small.rows=50', '-S', '++finetune.seed=13']
    """
    given = {key: "null" if value is None else value for key, value in values.items()}
    return [part for key, value in given.items() for part in ("-S", f"++{key}={value}")]


def points_of(params: dict[str, Any], finetunings: list[str], groups: dict[int, Group]) -> list[Point]:
    """Return the points of every fine-tuning; `groups` has the runs of each number of articles."""
    points = []
    for name in finetunings:
        system = str(system_of(params, name))  # `check_wanted` has seen to it
        values = {rows: group.values(PRIMARY) for rows, group in groups.items()}
        first = next(iter(values.values()))
        if (base := base_system(params, system)) and base in first:
            points.append(Point(name, 0, first[base].iloc[:, :1]))
        points += [Point(name, rows, scores[system]) for rows, scores in values.items()]
    return points


def interval_of(point: Point, params: EvaluateParams) -> dict[str, float]:
    """Return the mean of a point with its interval by the articles, and the deviation over seeds."""
    scores = point.scores.to_numpy(dtype=float)
    drawn = bootstrap_means(scores.mean(axis=1)[:, None], params.bootstrap_samples, params.seed)
    (lower,), (upper,) = percentile_interval(drawn, len(scores), params.confidence)
    by_seed = scores.mean(axis=0)
    spread = {"seed_deviation": round(float(by_seed.std(ddof=1)), 2)} if len(by_seed) > 1 else {}
    bounds = {"mean": float(by_seed.mean()), "lower": float(lower), "upper": float(upper)}
    return {**{name: round(value, 2) for name, value in bounds.items()}, **spread}


def compared_with(baseline: "pd.DataFrame", points: list[Point], params: EvaluateParams) -> list[Compared]:
    """Return what each point has over the baseline, (articles, 1) by id, on the same articles."""
    pairs = {f"{point.finetuning} {point.rows}": (baseline, point.scores) for point in points}
    return compared(pairs, params, PRIMARY, is_fixed=True)


def crossing(rows: list[dict[str, Any]]) -> tuple[int, int] | None:
    """Return the two numbers of articles between which a fine-tuning first passes the baseline.

    `rows` are its points, the smallest first. (0, n): the first of them is above already; None: none is.

    >>> crossing([{"rows": 50, "difference": -4.0}, {"rows": 150, "difference": 2.0}])
    (50, 150)
    """
    if rows and rows[0]["difference"] > 0:
        return 0, int(rows[0]["rows"])
    for before, after in pairwise(rows):
        if before["difference"] <= 0 < after["difference"]:
            return int(before["rows"]), int(after["rows"])
    return None


def result_of(
    params: dict[str, Any], finetunings: list[str], groups: dict[int, Group], evaluate: EvaluateParams
) -> dict[str, Any]:
    """Return what metrics/curve.json says."""
    first = next(iter(groups.values()))
    baseline = first.values(PRIMARY)[BASELINE].iloc[:, :1]
    points = points_of(params, finetunings, groups)
    rows = []
    for point, one in zip(points, compared_with(baseline, points, evaluate), strict=True):
        bounds = {
            "difference": one.row.mean,
            "difference_lower": one.row.lower,
            "difference_upper": one.row.upper,
        }
        rows.append(
            {
                "finetuning": point.finetuning,
                "rows": point.rows,
                **interval_of(point, evaluate),
                **{name: round(value, 2) for name, value in bounds.items()},
                "p_holm": round(one.p, 4),
                "verdict": one.verdict,
            }
        )
    return {
        "signature": first.runs[0].signature,
        "made_with": made_with_of(params, finetunings),
        "baseline": {"system": BASELINE, "mean": round(float(baseline.to_numpy().mean()), 2)},
        "confidence": evaluate.confidence,
        "seeds": len(first.runs),
        "miniatures": [name for name in finetunings if is_base_miniature(params, name)],
        "points": rows,
        "passes": {
            name: crossing([row for row in rows if row["finetuning"] == name and row["rows"]])
            for name in finetunings
        },
    }


def table_of(result: dict[str, Any]) -> list[str]:
    """Return the curve as it is printed."""
    percent, count = f"{100 * result['confidence']:g} %", result["seeds"]
    seeds = Bilingual(f", {count} seeds", f", {count} semillas") if count > 1 else Bilingual("", "")
    title = Bilingual(
        f"ROUGE-L on the test articles{seeds.en}; intervals of {percent} by the articles, against {BASELINE}",
        f"ROUGE-L en los artículos de prueba{seeds.es}; intervalos del {percent} por artículos, "
        f"frente a {BASELINE}",
    )
    heads = {
        "en": ("fine-tuning", "articles", "ROUGE-L", "difference", "verdict"),
        "es": ("ajuste fino", "artículos", "ROUGE-L", "diferencia", "veredicto"),
    }
    name, articles, score, difference, verdict = heads[terminal_language()]
    lines = [localized(title), f"{name:<16}{articles:>9}  {score:<26}{difference:<28}{verdict}"]
    for row in result["points"]:
        mean = f"{number(row['mean'])} ({interval(row['lower'], row['upper'])})"
        bounds = interval(row["difference_lower"], row["difference_upper"], "+")
        apart = f"{number(row['difference'], sign='+')} ({bounds})"
        name, articles = row["finetuning"], localized(grouped(row["rows"]))
        verdict = localized(verdict_of(row["verdict"]))
        lines.append(f"{name:<16}{articles:>9}  {mean:<26}{apart:<28}{verdict}")
        if "seed_deviation" in row:
            of_seed = Bilingual("a seed's deviation", "desviación de una semilla")
            lines.append(f"{'':<27}{localized(of_seed)} {number(row['seed_deviation'])}")
    lines += [localized(passes_in_words(name, result)) for name in result["passes"]]
    if small := result["miniatures"]:
        miniatures = Bilingual(
            "miniatures, which know only our made-up news",
            "miniaturas, que solo conocen nuestras noticias inventadas",
        )
        lines.append(f"{localized(miniatures)}: {', '.join(small)}")
    return lines


def check_wanted(params: dict[str, Any], finetunings: list[str], rows: list[int]) -> int:
    """Return the articles of the training split, which all that is asked for can be drawn from.

    Raises:
        InputError: no such fine-tuning, one that no system runs, or more articles than there are.
    """
    if not finetunings:
        raise InputError(
            f"params.yaml: systems: none is from {FINETUNED_DIR}/F, so there are no scores; add one"
        )
    for name in finetunings:
        if reason := why_left_out(params, finetuning_params(params, name).base):
            raise InputError(f"params.yaml: finetunings.{name}: left out, and has no scores: {reason}")
        if system_of(params, name) is None:
            raise InputError(
                f"params.yaml: systems: none is from {FINETUNED_DIR / name}, so it has no scores; add one"
            )
    num_train = num_rows(RAW_TRAIN)
    if rows[0] < 1 or rows[-1] > num_train:
        wrong = rows[0] if rows[0] < 1 else rows[-1]
        raise InputError(f"--rows: expected 1 to {num_train}, the articles of {RAW_TRAIN}, got {wrong}")
    return num_train


def main() -> None:
    arguments = parser(__doc__, "resumen curve --rows 50,150,500,1500")
    arguments.add_argument("--rows", type=whole_numbers, required=True, help="articles, joined by commas")
    arguments.add_argument("--finetunings", type=names_of, help="joined by commas (default: all)")
    arguments.add_argument(
        "--seeds", type=whole_numbers, help="which, joined by commas (default: finetune.seed alone)"
    )
    arguments.add_argument(
        "--name", default="curve", help="the experiments are called NAME-ROWS-SEED (default: curve)"
    )
    arguments.add_argument("--jobs", type=int, default=1, help="experiments at a time (default: 1)")
    options = arguments.parse_args()
    if options.jobs < 1:
        raise InputError(f"--jobs: expected experiments at a time, 1 or more, got {options.jobs}")
    if not ENTRY_NAME.fullmatch(options.name):
        raise InputError(f"--name: expected letters, digits, - and _, got {options.name!r}")
    params = read_params()
    check(params)
    finetunings = options.finetunings or [
        name
        for name in finetuning_names(params)
        if system_of(params, name) and not why_left_out(params, finetuning_params(params, name).base)
    ]
    if changed := changed_since_run(params):
        raise InputError(changed)
    sizes = sorted(options.rows)
    num_train = check_wanted(params, finetunings, sizes)
    seeds = options.seeds or [params["finetune"]["seed"]]
    wanted = {
        f"{options.name}-{rows}-{seed}": values_of(finetunings, rows, seed, num_train)
        for rows in sizes
        for seed in seeds
    }
    run_missing({name: changes_of(values) for name, values in wanted.items()}, options.jobs)
    for name, values in wanted.items():
        check_same_params(name, with_values(params, values), f"params.yaml with {values}")
    groups = {
        rows: Group(str(rows), [read_scored(f"{options.name}-{rows}-{seed}") for seed in seeds])
        for rows in sizes
    }
    check_comparable([run for group in groups.values() for run in group.runs], PRIMARY)
    result = result_of(params, finetunings, groups, parse_section(EvaluateParams, params, "evaluate"))
    write_json(DATA_CURVE, result)
    write_text(CURVE_PAGE, curve_page(result))
    sys.stdout.writelines(f"{line}\n" for line in table_of(result))
    log.info("wrote %s and %s; `dvc repro report` puts it on the page", DATA_CURVE, CURVE_PAGE)
