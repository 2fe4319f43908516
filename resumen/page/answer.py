"""The answer in sentences and as a 2 × 2: what each training buys alone, and what both buy together."""

from typing import Any

from resumen.page.languages import Bilingual, bilingual, verdict_of
from resumen.page.table import named
from resumen.schema.systems import system_params
from resumen.scoring.comparisons import agreement
from resumen.scoring.registry import PRIMARY

# The entries of `comparisons` that answer the question alone, and what each is about.
ALONE = {
    "instruction-tuning": Bilingual("instruction tuning", "el ajuste por instrucciones"),
    "fine-tuning": Bilingual("fine-tuning", "el ajuste fino"),
}
AS_PUBLISHED, FINE_TUNED = (
    Bilingual("as published", "como se publicó"),
    Bilingual("fine-tuned", "con ajuste fino"),
)


CAVEAT = Bilingual(
    "T5 here is v1.0, and Flan-T5 descends from v1.1, trained on as a language model: what is called "
    "instruction tuning has that in it too.",
    "T5 es aquí la versión 1.0, y Flan-T5 desciende de la 1.1, entrenada después como modelo de lenguaje: lo "
    "que se llama ajuste por instrucciones incluye también eso.",
)


def answer_of(params: dict[str, Any], evaluation: dict[str, Any], marks: dict[str, str]) -> list[Bilingual]:
    """Return the answer, with numbers and verdicts: a sentence on each training alone, and one on both."""
    scores = {row["system"]: row[PRIMARY]["mean"] for row in evaluation["systems"]}
    interval = f"{100 * evaluation['confidence']:g} %"
    alone = [
        sentence(ALONE[row["name"]], row, scores, marks, interval)
        for row in evaluation["differences"]
        if row["name"] in ALONE
    ]
    both = [
        both_sentence(row, evaluation["differences"], interval)
        for row in evaluation["interactions"]
        if is_after_fine_tuning(params, row)
    ]
    return [*alone, *both, *disagreements(evaluation)]


def content_rows(evaluation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tests over content words by their names; none of a language without content words."""
    return {row["name"]: row for rows in evaluation["content"].values() for row in rows}


def with_content(row: dict[str, Any], contents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a test with that over content words, and how the two go together, if there is one."""
    content = contents.get(row["name"])
    if content is None:
        return row
    together = bilingual(agreement(row["verdict"], content["verdict"]))
    return {**row, "content": {**content, "said": verdict_of(content["verdict"]), "together": together}}


def disagreements(evaluation: dict[str, Any]) -> list[Bilingual]:
    """Return a sentence on the tests that come out otherwise over content words, if there are any."""
    contents = content_rows(evaluation)
    rows = [*evaluation["differences"], *evaluation["interactions"]]
    apart = [
        row["name"]
        for row in rows
        if row["name"] in contents and agreement(row["verdict"], contents[row["name"]]["verdict"]) != "agrees"
    ]
    if not apart:
        return []
    named_so = ", ".join(apart)
    return [
        Bilingual(
            "Over content words alone (stop words out, the rest stemmed) the verdict is another in "
            f"{len(apart)} of {len(rows)} comparisons: {named_so}. That of ROUGE-L stands.",
            "Solo con las palabras de contenido (sin palabras vacías, con las demás reducidas a su raíz), el "
            f"veredicto cambia en {len(apart)} de {len(rows)} comparaciones: {named_so}. Prevalece el de "
            "ROUGE-L.",
        )
    ]


def is_after_fine_tuning(params: dict[str, Any], row: dict[str, Any]) -> bool:
    """Return whether an interaction is of instruction tuning, before and after fine-tuning."""
    is_trained = [system_is_trained(params, name) for name in row["systems"]]
    return row["against"] == "instruction-tuning" and is_trained == [True, True, False, False]


def caveat_of(params: dict[str, Any], evaluation: dict[str, Any]) -> Bilingual | None:
    """Return what else differs where T5 v1.0, that of google-t5, stands beside Flan-T5; or None."""
    rows = [row for row in evaluation["differences"] if row["name"] == "instruction-tuning"]
    for row in rows:
        entry = params["systems"].get(row["against"])
        checkpoint = system_params(params, row["against"]).checkpoint if entry else None
        repo = params["checkpoints"].get(checkpoint, {}).get("repo") or ""
        if repo.startswith("google-t5/"):
            return CAVEAT
    return None


def sentence(
    what: Bilingual, row: dict[str, Any], scores: dict[str, float], marks: dict[str, str], interval: str
) -> Bilingual:
    """Return a difference as a sentence on `what` makes it."""
    verdict = verdict_of(row["verdict"])
    one, other = named(row["system"], marks), named(row["against"], marks)
    after, before = f"{scores[row['system']]:.2f}", f"{scores[row['against']]:.2f}"
    if row["verdict"] in ("better", "worse"):
        lead = Bilingual(
            f"{what.en.capitalize()} makes the summaries {verdict.en}",
            f"{what.es.capitalize()} hace {verdict.es}es los resúmenes",
        )
    else:
        lead = Bilingual(f"What {what.en} buys, one {verdict.en}", f"Lo que aporta {what.es} {verdict.es}")
    apart = with_interval(row, interval)
    return Bilingual(
        f"{lead.en}: ROUGE-L goes from {before} points, of {other.en}, to {after}, of {one.en}, "
        f"a difference of {apart.en}.",
        f"{lead.es}: ROUGE-L pasa de {before} puntos, de {other.es}, a {after}, de {one.es}, "
        f"una diferencia de {apart.es}.",
    )


def both_sentence(row: dict[str, Any], pairs: list[dict[str, Any]], interval: str) -> Bilingual:
    """Return an interaction as a sentence: what instruction tuning buys alone, and after fine-tuning."""
    what, other = ALONE["instruction-tuning"], ALONE["fine-tuning"]
    verdict = verdict_of(row["verdict"])
    by_name = {pair["name"]: f"{pair['difference']:+.2f}" for pair in pairs}
    after, before = by_name[row["comparison"]], by_name[row["against"]]
    if row["verdict"] in ("larger", "smaller"):
        more, más = {"larger": ("more", "más"), "smaller": ("less", "menos")}[row["verdict"]]
        lead = Bilingual(
            f"After {other.en}, {what.en} buys {more}", f"Tras {other.es}, {what.es} aporta {más}"
        )
    else:
        lead = Bilingual(
            f"Whether {what.en} buys more after {other.en}, one {verdict.en}",
            f"Si {what.es} aporta más tras {other.es}, {verdict.es}",
        )
    apart = with_interval(row, interval)
    return Bilingual(
        f"{lead.en}: {after} points instead of {before}, an interaction of {apart.en}.",
        f"{lead.es}: {after} puntos en lugar de {before}, una interacción de {apart.es}.",
    )


def with_interval(row: dict[str, Any], interval: str) -> Bilingual:
    """Return a difference with its interval."""
    difference, lower, upper = (f"{row[key]:+.2f}" for key in ("difference", "lower", "upper"))
    return Bilingual(
        f"{difference} ({interval} interval {lower} to {upper})",
        f"{difference} (intervalo del {interval}, de {lower} a {upper})",
    )


def grids_of(params: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a 2 × 2 for each interaction that was tested.

    Its `rows` are two pairs of `cells`, a system with its score and interval, the second after what the
    columns are about; `gain` is the difference of a row, and `gains` those of the columns.
    """
    scores = {row["system"]: {"system": row["system"], **row[PRIMARY]} for row in evaluation["systems"]}
    tested = {(row["system"], row["against"]): row for row in evaluation["differences"]}

    def gain(system: str, against: str) -> dict[str, Any]:
        difference = scores[system]["mean"] - scores[against]["mean"]
        return dict(tested.get((system, against), {"difference": round(difference, 2)}))

    grids = []
    for row in evaluation["interactions"]:
        one, other, one_before, other_before = row["systems"]
        is_trained = [system_is_trained(params, name) for name in row["systems"]]
        columns = [Bilingual(row["against"], row["against"]), Bilingual(row["comparison"], row["comparison"])]
        if is_trained == [True, True, False, False]:
            columns = [AS_PUBLISHED, FINE_TUNED]
        grids.append(
            {
                **row,
                "columns": columns,
                "rows": [
                    {"cells": [scores[before], scores[after]], "gain": gain(after, before)}
                    for before, after in ((other_before, other), (one_before, one))
                ],
                "gains": [gain(one_before, other_before), gain(one, other)],
            }
        )
    return grids


def system_is_trained(params: dict[str, Any], name: str) -> bool:
    """Return whether a system runs a fine-tuning."""
    return name in params["systems"] and system_params(params, name).finetuning is not None
