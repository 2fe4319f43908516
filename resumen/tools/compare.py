"""Compare: tell whether two revisions or experiments differ, article by article.

`dvc metrics diff` shows two means; here the same articles are paired, and the difference has an interval, a
p-value (corrected for the number of systems, Holm) and a verdict. Scores made in other ways are refused.
Runs joined by commas are one side, such as one recipe under several seeds: the scores of an article are
averaged, and a difference has to show among the runs as well as among the articles.

Reads   data/scores.parquet, metrics/evaluation.json and params.yaml of both, through DVC

    resumen compare HEAD                    the workspace against the last commit
    resumen compare as-the-course ours      two experiments (`dvc exp show` names them)
    resumen compare HEAD --measure chrf --system finetuned
    resumen compare seed-13,seed-14,seed-15 mine-13,mine-14,mine-15
"""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from scipy.special import stdtrit

from resumen.page.languages import Bilingual, verdict_of
from resumen.page.table import is_miniature
from resumen.page.terminal import interval, localized, number
from resumen.rouge.score import CONTENT_TYPES
from resumen.runtime.cli import parser
from resumen.runtime.commands import output_of
from resumen.runtime.errors import InputError, first_line, nearest
from resumen.runtime.paths import EVALUATION_FILE, PARAMS, SCORES_FILE
from resumen.schema.params import NOT_YAML, load_params, read_params
from resumen.schema.rows import NOT_PARQUET
from resumen.schema.sections import EvaluateParams
from resumen.schema.systems import system_names
from resumen.scoring.bootstrap import (
    Difference,
    bootstrap_means,
    comparisons_left,
    difference,
    holm,
    minimum_detectable_effect,
    verdict,
)
from resumen.scoring.comparisons import agreement
from resumen.scoring.registry import CONTENT, MEASURES, PRIMARY
from resumen.tools.results import changed_since_run

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("compare")

READ = (SCORES_FILE, EVALUATION_FILE, PARAMS)
WORKSPACE = "workspace"
CONTENT_PARTS = ("content:", "stop-words:")  # of a signature
AGREEMENT = {  # of content words with ROUGE-L, in words
    "agrees": Bilingual("they agree", "coinciden"),
    "says the opposite": Bilingual("they say the opposite", "dicen lo contrario"),
    "only ROUGE-L tells": Bilingual("only ROUGE-L tells a difference", "solo ROUGE-L muestra una diferencia"),
    "only content words tell": Bilingual(
        "only content words tell a difference; ROUGE-L's verdict stands",
        "solo las palabras de contenido muestran una diferencia; vale el veredicto de ROUGE-L",
    ),
}


class Scored(NamedTuple):
    """The scores of one revision, and how they were made."""

    name: str
    scores: "pd.DataFrame"
    signature: list[str]
    miniatures: frozenset[str] = frozenset()  # systems for which a miniature stands in


def read_at(revision: str, path: Path) -> bytes:
    """Return a file as it is in the workspace, a commit or an experiment.

    DVC takes the paths of a revision from git's root, which may lie above this project.

    Raises:
        InputError: there is no such revision, or the file is neither here nor in the cache.
    """
    import dvc.api  # 1 s to import

    try:
        if revision == WORKSPACE:
            return bytes(dvc.api.read(path.as_posix(), mode="rb"))
        prefix = output_of("git", "rev-parse", "--show-prefix").strip()
        return bytes(dvc.api.read(prefix + path.as_posix(), rev=revision, mode="rb"))
    except Exception as error:  # DVC's, git's and the file system's have no class in common
        message = str(error).strip().split("\n")[0]
        raise InputError(
            f"{revision}: cannot read {path} ({message}); take a commit or an experiment that has run, "
            "and `dvc pull` or `dvc repro` it if its data are elsewhere"
        ) from error


def read_scored(revision: str) -> Scored:
    """Return what a commit, a branch, an experiment or the workspace scored.

    Raises:
        InputError: there is no such revision, or its scores are neither here nor in the cache.
    """
    content = {path: read_at(revision, path) for path in READ}
    try:
        signature = [str(part) for part in json.loads(content[EVALUATION_FILE])["signature"]]
        table = pq.read_table(pa.BufferReader(content[SCORES_FILE]))
        scores = table.to_pandas().astype({"system": str, "id": str})
    except (*NOT_PARQUET, RecursionError) as error:
        raise InputError(
            f"{revision}: {EVALUATION_FILE} or {SCORES_FILE} is damaged ({first_line(error)}); "
            "`dvc repro` it again"
        ) from error
    return Scored(revision, scores, signature, miniatures_of(content[PARAMS]))


def miniatures_of(content: bytes) -> frozenset[str]:
    """Return the systems of a params.yaml for which a miniature stands in; none of one that we cannot read.

    It may be older than today's keys.
    """
    try:
        params: dict[str, Any] = YAML(typ="safe", pure=True).load(content)
        return frozenset(name for name in system_names(params) if is_miniature(params, name))
    except NOT_YAML:  # InputError is one of them
        return frozenset()


class Group(NamedTuple):
    """Runs that are one side of a comparison."""

    name: str
    runs: list[Scored]

    def miniatures(self, systems: list[str]) -> list[str]:
        """Return those of `systems` for which a miniature stands in, in any run."""
        return [system for system in systems if any(system in run.miniatures for run in self.runs)]

    def values(self, measure: str) -> "dict[str, pd.DataFrame]":
        """Return each system's values, (articles, runs), by id, of the systems that all runs have."""
        import pandas as pd  # half a second

        result = [
            {system: rows.set_index("id")[measure] for system, rows in run.scores.groupby("system")}
            for run in self.runs
        ]
        percent = 100 if measure in MEASURES and MEASURES[measure].unit == "share" else 1
        return {
            system: percent * pd.concat([run[system] for run in result], axis=1)
            for system in result[0]
            if all(system in run for run in result)
        }


def read_group(revisions: str) -> Group:
    """Return the runs that `revisions`, joined by commas, name."""
    runs = [read_scored(revision) for revision in revisions.split(",") if revision]
    if not runs:
        raise InputError(f"expected a revision, or several joined by commas, got {revisions!r}")
    first, others = runs[0].name, len(runs) - 1
    several = Bilingual(f"{first} and {others} more", f"{first} y {others} más")
    return Group(localized(several) if others else first, runs)


def signature_for(run: Scored, measure: str) -> list[str]:
    """Return how a measure was made; what content words are matters to them alone."""
    if measure in CONTENT_TYPES:
        return run.signature
    return [part for part in run.signature if not part.startswith(CONTENT_PARTS)]


def check_comparable(runs: list[Scored], measure: str) -> None:
    """Raise InputError unless all were scored in the same way, on the same articles, by `measure`."""
    one = runs[0]
    for other in runs[1:]:
        parts, others = (signature_for(run, measure) for run in (one, other))
        if parts != others:
            apart = [part for part in parts if part not in others]
            apart += [part for part in others if part not in parts]
            raise InputError(
                f"{one.name} and {other.name} were scored in different ways ({', '.join(apart)}); no "
                "difference between them would mean anything. Run both with the same data, versions and "
                "`evaluate`"
            )
    ids = one.scores.groupby("system")["id"].apply(sorted)
    for scored in runs:
        for system, result in scored.scores.groupby("system")["id"].apply(sorted).items():
            if len(set(result)) < len(result) or result != ids.iloc[0]:
                raise InputError(
                    f"{scored.name}: system {system}: its ids are not those of {one.name}, or one occurs "
                    "twice; score it again (`dvc repro --force evaluate`)"
                )
        known = list(scored.scores.select_dtypes("number").columns)
        if measure not in known:
            raise InputError(f"--measure: {scored.name} has no {measure!r}{nearest(measure, known)}")
        if (bad := scored.scores[~np.isfinite(scored.scores[measure].astype(float))]).size:
            row = bad.iloc[0]
            raise InputError(
                f"{scored.name}: system {row['system']}, id {row['id']!r}: {measure} is {row[measure]}, no "
                "number; score it again (`dvc repro --force evaluate`)"
            )


class Spread(NamedTuple):
    """What the runs of both sides, apart from the articles, say of a difference, in points."""

    lower: float  # of the interval of the mean difference over runs
    upper: float
    deviation: float  # of a side's runs, the larger


def spread(before: np.ndarray, after: np.ndarray, confidence: float, is_fixed: bool) -> Spread:
    """Return how far the difference of two means of runs can be trusted; each is (runs,).

    Student's interval for unequal variances (Welch 1947), on the safe side with the degrees of freedom of the
    smaller side. A side of one run is taken to vary as the other does; `is_fixed`: not at all, since
    nothing in it was trained.
    """
    sides = [side for side in (before, after) if len(side) > 1]
    error = float(np.sqrt(sum(side.var(ddof=1) / len(side) for side in sides)))
    if len(sides) == 1 and not is_fixed:
        error = float(np.sqrt(error**2 + sides[0].var(ddof=1)))
    reach = float(stdtrit(min(map(len, sides)) - 1, 0.5 + confidence / 2)) * error
    mean = float(after.mean() - before.mean())
    return Spread(mean - reach, mean + reach, float(max(side.std(ddof=1) for side in sides)))


def survives(verdict: str, result: Spread) -> str:
    """Return the articles' verdict, taken back where the runs do not bear it out.

    >>> survives("better", Spread(-0.2, 3.0, 1.1))
    'cannot tell: the runs differ as much among themselves'
    """
    if verdict in ("better", "worse") and result.lower <= 0 <= result.upper:
        return "cannot tell: the runs differ as much among themselves"
    return verdict


class Compared(NamedTuple):
    """What is said of one system."""

    system: str
    before: float
    after: float
    row: Difference
    p: float  # corrected
    detectable: float
    runs: Spread | None  # None: one run a side
    verdict: str


def compared(
    pairs: "dict[str, tuple[pd.DataFrame, pd.DataFrame]]",
    params: EvaluateParams,
    measure: str,
    is_fixed: bool = False,
) -> list[Compared]:
    """Return for each name what the second side has over the first; a side is (articles, runs), by id.

    `is_fixed` is said of a first side that is one run: nothing in it was trained.
    """
    differences = []
    for name, (before, after) in pairs.items():
        first = before.to_numpy(dtype=float)
        second = after.loc[before.index].to_numpy(dtype=float)
        apart = second.mean(axis=1) - first.mean(axis=1)
        drawn = bootstrap_means(apart[:, None], params.bootstrap_samples, params.seed)[:, 0]
        runs = None
        if first.shape[1] > 1 or second.shape[1] > 1:
            runs = spread(first.mean(axis=0), second.mean(axis=0), params.confidence, is_fixed)
        row = difference(apart, drawn, params.confidence)
        differences.append((name, float(first.mean()), float(second.mean()), row, runs))
    p_values = [row.p for *_, row, _ in differences]
    comparisons = []
    for (name, before, after, row, runs), p, tests in zip(
        differences, holm(p_values), comparisons_left(p_values), strict=True
    ):
        text = verdict(row, p, params.confidence, tests)
        detectable = minimum_detectable_effect(row, params.confidence, tests)
        text = in_direction(survives(text, runs) if runs else text, measure)
        comparisons.append(Compared(name, before, after, row, p, detectable, runs, text))
    return comparisons


def in_direction(verdict: str, measure: str) -> str:
    """Return a verdict on scores of which more is better in the words that `measure` asks for.

    >>> in_direction("better", "lost_words"), in_direction("worse", "density")
    ('worse', 'lower')
    """
    better = MEASURES[measure].better if measure in MEASURES else "neither"  # an older revision's own
    if better == "higher":
        return verdict
    turned = ("worse", "better") if better == "lower" else ("higher", "lower")
    return dict(zip(("better", "worse"), turned, strict=True)).get(verdict, verdict)


def has_measure(runs: list[Scored], measure: str) -> bool:
    """Return whether all runs were scored by a measure, in the same way; an older one may lack it."""
    try:
        check_comparable(runs, measure)
    except InputError:
        return False
    return True


def content_line(row: Compared, content: Compared) -> str:
    """Return what content words say of a difference in ROUGE-L, and whether they agree."""
    one = content.row
    together = AGREEMENT[agreement(row.verdict, content.verdict)]
    said = (
        f"{number(one.mean, sign='+')} ({interval(one.lower, one.upper, '+')}), p = {number(content.p, 4)}: "
        f"{localized(verdict_of(content.verdict))}; {localized(together)}"
    )
    return localized(Bilingual(f"by content words {said}", f"con palabras de contenido {said}"))


def table_lines(
    head: str,
    rows: list[Compared],
    contents: dict[str, Compared],
    equal: list[str],
    params: EvaluateParams,
) -> list[str]:
    """Return the table as it is printed; `contents` are the rows over content words by their system."""
    width = max([20, *(len(row.system) + 1 for row in rows)])
    percent = f"{100 * params.confidence:g} %"
    columns = localized(
        Bilingual(
            f"difference, {percent} interval by the articles; p by Holm",
            f"diferencia, intervalo del {percent} por artículos; p (Holm)",
        )
    )
    system = localized(Bilingual("system", "sistema"))
    lines = [f"{system:<{width}} {head:<40} {columns}"] if rows else [head]
    for one in rows:
        row, means = one.row, f"{number(one.before)} → {number(one.after)}"
        by_articles = f"{number(row.mean, sign='+')} ({interval(row.lower, row.upper, '+')})"
        tested = f"{by_articles}, p = {number(one.p, 4)}: {localized(verdict_of(one.verdict))}"
        lines.append(f"{one.system:<{width}} {means:<40} {tested}")
        lines += [f"{'':<{width}} {line}" for line in beside_lines(one, contents.get(one.system))]
    if rows and not any(one.runs for one in rows):
        one_run = Bilingual(
            "one run a side: if it was trained, the luck of its seed is in the difference (`resumen seeds`)",
            "una sola ejecución por lado: si hubo entrenamiento, la diferencia incluye el azar de la semilla "
            "(`resumen seeds`)",
        )
        lines.append(localized(one_run))
    if equal:
        same = Bilingual("equal in both, article by article", "iguales en los dos, artículo por artículo")
        lines.append(f"{localized(same)}: {', '.join(equal)}")
    return lines


def beside_lines(one: Compared, content: Compared | None) -> list[str]:
    """Return what stands below a difference: the runs, what could be detected, content words."""
    lines = []
    if one.runs:
        runs, deviation = interval(one.runs.lower, one.runs.upper, "+"), number(one.runs.deviation)
        by_runs = Bilingual(
            f"by the runs {runs}; a run's deviation {deviation}",
            f"por ejecuciones, {runs}; desviación de una ejecución, {deviation}",
        )
        lines.append(localized(by_runs))
    power = Bilingual(
        "minimum detectable effect at 80 % power", "diferencia mínima detectable con una potencia del 80 %"
    )
    lines.append(f"{localized(power)}: {number(one.detectable)}")
    return [*lines, content_line(one, content)] if content else lines


def miniature_lines(sides: list[Group], systems: list[str]) -> list[str]:
    """Return a line for each side that has miniatures among `systems`; sides with the same share one."""
    result: dict[str, list[str]] = {}
    for side in sides:
        if small := side.miniatures(systems):
            result.setdefault(", ".join(small), []).append(side.name)
    return [
        localized(
            Bilingual(
                f"miniatures in {' and '.join(names)}, which know only our made-up news: {small}",
                f"miniaturas en {' y '.join(names)}, que solo conocen nuestras noticias inventadas: {small}",
            )
        )
        for small, names in result.items()
    ]


def main() -> None:
    arguments = parser(__doc__, "resumen compare HEAD --measure rougeL")
    arguments.add_argument("revision", help="a commit, a branch or an experiment; several, joined by commas")
    arguments.add_argument("other", nargs="?", default=WORKSPACE, help="another (default: the workspace)")
    arguments.add_argument("--measure", default=PRIMARY, help="a column of the scores (default: %(default)s)")
    arguments.add_argument("--system", help="one system (default: all that both have)")
    options = arguments.parse_args()
    params = load_params(EvaluateParams, "evaluate")
    one, other = read_group(options.revision), read_group(options.other)
    check_comparable([*one.runs, *other.runs], options.measure)
    before, after = one.values(options.measure), other.values(options.measure)
    both = [system for system in before if system in after]
    if options.system and options.system not in both:
        raise InputError(f"--system: not in both: {options.system!r}{nearest(options.system, both)}")
    if not both:
        raise InputError(f"{one.name} and {other.name} have no system in common; nothing to compare")
    systems = [options.system] if options.system else both
    equal = [system for system in systems if are_equal(before[system], after[system])]
    pairs = {system: (before[system], after[system]) for system in systems if system not in equal}
    head = f"{one.name} → {other.name}"
    rows = compared(pairs, params, options.measure)
    contents = {}
    if options.measure == PRIMARY and has_measure([*one.runs, *other.runs], CONTENT):
        first, second = one.values(CONTENT), other.values(CONTENT)
        by_content = {system: (first[system], second[system]) for system in pairs}
        contents = {row.system: row for row in compared(by_content, params, CONTENT)}
    lines = table_lines(head, rows, contents, equal, params)
    if alone := sorted(before.keys() ^ after.keys()):
        in_one = Bilingual("in one of the two only, and not compared", "solo en uno de los dos, sin comparar")
        lines.append(f"{localized(in_one)}: {', '.join(alone)}")
    lines += miniature_lines([one, other], systems)
    if WORKSPACE in (options.revision, options.other) and (changed := changed_since_run(read_params())):
        log.warning("%s: %s", WORKSPACE, changed)
    sys.stdout.writelines(f"{line}\n" for line in lines)


def are_equal(before: "pd.DataFrame", after: "pd.DataFrame") -> bool:
    """Return whether every run of both sides has the same value for every article."""
    values = np.hstack([before.to_numpy(), after.loc[before.index].to_numpy()])
    return bool((values == values[:, :1]).all())
