"""The answer in sentences and as a 2 × 2: what each training buys alone, and what both buy together."""

from typing import Any, NamedTuple

from resumen.page.languages import Bilingual, bilingual, decimal, grouped, verdict_of
from resumen.page.table import TRAINED_SYSTEM, named
from resumen.schema.systems import system_params
from resumen.scoring.comparisons import agreement, base_system
from resumen.scoring.registry import PRIMARY

ALONE = {  # the comparisons that answer where no interaction is tested, and what each is about
    "instruction-tuning": Bilingual("Instruction tuning", "El ajuste por instrucciones"),
    "fine-tuning": Bilingual("Fine-tuning", "El ajuste fino"),
}
AS_PUBLISHED, FINE_TUNED = Bilingual("as published", "publicado"), Bilingual("fine-tuned", "con ajuste fino")
CAVEAT = Bilingual(
    "T5 here is v1.0. Flan-T5 descends from v1.1, trained further as a language model, so the effect of "
    "instruction tuning includes that of this training.",
    "T5 es aquí la versión 1.0. Flan-T5 procede de la 1.1, que siguió entrenándose como modelo de lenguaje: "
    "el efecto del ajuste por instrucciones incluye el de ese entrenamiento.",
)


class Effect(NamedTuple):
    """What a training buys: its name, and the difference that was tested."""

    what: Bilingual
    row: dict[str, Any]
    is_plural: bool = False

    def lead(self) -> Bilingual:
        """Return the verdict on it as the beginning of a sentence."""
        verb = {
            "better": Bilingual(f"make{'s' * (not self.is_plural)} the summaries better", "mejora"),
            "worse": Bilingual(f"make{'s' * (not self.is_plural)} the summaries worse", "empeora"),
        }.get(self.row["verdict"])
        if verb:
            spanish = f"{self.what.es} {verb.es}{'n' * self.is_plural} los resúmenes"
            return Bilingual(f"{self.what.en} {verb.en}", spanish)
        verdict = verdict_of(self.row["verdict"])
        return Bilingual(f"{self.what.en}: {verdict.en}", f"{self.what.es}: {verdict.es}")


def effects_of(params: dict[str, Any], evaluation: dict[str, Any]) -> list[Effect]:
    """Return what each training buys alone, and what both buy together, as far as it was tested.

    Alone is beside the T5 of the 2 × 2 as published; where there is no 2 × 2, as the comparisons have it.
    """
    cross = two_by_two(params, evaluation)
    if not cross:
        by_name = {row["name"]: row for row in evaluation["differences"]}
        return [Effect(what, by_name[name]) for name, what in ALONE.items() if name in by_name]
    both, trained, tuned, plain = cross["systems"]
    tested = {(row["system"], row["against"]): row for row in evaluation["differences"]}
    alone = (Bilingual(f"{what.en} alone", f"{what.es} por sí solo") for what in ALONE.values())
    pairs = zip(alone, ((tuned, plain), (trained, plain)), strict=True)
    effects = [Effect(what, tested[pair]) for what, pair in pairs if pair in tested]
    if (both, plain) in tested:
        effects.append(Effect(Bilingual("Both together", "Los dos juntos"), tested[both, plain], True))
    return effects


def two_by_two(params: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the interaction of instruction tuning, before and after fine-tuning, if it was tested."""
    return next((row for row in evaluation["interactions"] if is_after_fine_tuning(params, row)), None)


def answer_of(params: dict[str, Any], evaluation: dict[str, Any], marks: dict[str, str]) -> list[Bilingual]:
    """Return the answer in sentences: each training alone, both, what was forgotten, and what disagrees."""
    effects, interval = effects_of(params, evaluation), f"{100 * evaluation['confidence']:g} %"
    scores = {row["system"]: row[PRIMARY]["mean"] for row in evaluation["systems"]}
    sentences = [sentence(effect, scores, marks, interval) for effect in effects]
    if cross := two_by_two(params, evaluation):
        sentences.append(interaction_sentence(cross, evaluation["differences"], interval))
    forgotten = forgotten_sentence(params, evaluation, interval)
    return [*sentences, *forgotten, *disagreements(evaluation)]


def remarks_of(params: dict[str, Any], evaluation: dict[str, Any]) -> list[Bilingual]:
    """Return what the tiles of the page do not say: the interaction, and what disagrees."""
    cross, interval = two_by_two(params, evaluation), f"{100 * evaluation['confidence']:g} %"
    sentences = [interaction_sentence(cross, evaluation["differences"], interval)] if cross else []
    return [*sentences, *disagreements(evaluation)]


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


def sentence(effect: Effect, scores: dict[str, float], marks: dict[str, str], interval: str) -> Bilingual:
    """Return what a training buys as a sentence, with both scores, the difference and its interval."""
    row, lead = effect.row, effect.lead()
    one, other = named(row["system"], marks), named(row["against"], marks)
    after, before = decimal(scores[row["system"]]), decimal(scores[row["against"]])
    apart = with_interval(row, interval)
    return Bilingual(
        f"{lead.en}: ROUGE-L goes from {before.en} points, of {other.en}, to {after.en}, of {one.en}, "
        f"a difference of {apart.en}.",
        f"{lead.es}: ROUGE-L pasa de {before.es} puntos, los de {other.es}, a {after.es}, los de {one.es}; "
        f"la diferencia es de {apart.es}.",
    )


def interaction_sentence(row: dict[str, Any], pairs: list[dict[str, Any]], interval: str) -> Bilingual:
    """Return an interaction as a sentence: what both buy beyond the sum of each alone."""
    by_name = {pair["name"]: decimal(pair["difference"], sign="+") for pair in pairs}
    after, before = by_name[row["comparison"]], by_name[row["against"]]
    apart, verdict = with_interval(row, interval), verdict_of(row["verdict"])
    if row["verdict"] in ("larger", "smaller"):
        more, más = {"larger": ("more", "más"), "smaller": ("less", "menos")}[row["verdict"]]
        lead = Bilingual(
            f"Together they buy {more} than the sum of each alone",
            f"Juntos aportan {más} que la suma de cada uno por separado",
        )
    else:
        lead = Bilingual(
            f"Whether together they buy more than the sum of each alone: {verdict.en}",
            f"Sobre si juntos aportan más que la suma de cada uno por separado: {verdict.es}",
        )
    return Bilingual(
        f"{lead.en}: the interaction is {apart.en}. After fine-tuning, instruction tuning buys {after.en} "
        f"points instead of {before.en}.",
        f"{lead.es}: la interacción es de {apart.es}. Tras el ajuste fino, el ajuste por instrucciones "
        f"aporta {after.es} puntos en lugar de {before.es}.",
    )


def forgotten_of(params: dict[str, Any], evaluation: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the exact answers of the instruction-tuned system before and after fine-tuning.

    Without a 2 × 2 they are those of the system `finetuned` and of its base. Empty where one of the two was
    not asked, or where their intervals meet: then nothing is shown to be lost.
    """
    cross, by_system = two_by_two(params, evaluation), {row["system"]: row for row in evaluation["probes"]}
    trained = cross["systems"][0] if cross else TRAINED_SYSTEM
    base = cross["systems"][2] if cross else None
    if not cross and trained in params["systems"]:
        base = base_system(params, trained)
    before, after = by_system.get(base), by_system.get(trained)
    return (before, after) if before and after and after["upper"] < before["lower"] else ()


def forgotten_sentence(params: dict[str, Any], evaluation: dict[str, Any], interval: str) -> list[Bilingual]:
    """Return a sentence on what fine-tuning forgot of the probes, if it did."""
    rows = forgotten_of(params, evaluation)
    if not rows:
        return []
    before, after = (percent_with_interval(row) for row in rows)
    asked, (first, second) = grouped(rows[0]["num_asked"]), (row["system"] for row in rows)
    return [
        Bilingual(
            f"Fine-tuning forgets how to answer questions: of the {asked.en} probes with just one right "
            f"answer, {first} answers {before.en}, {second} {after.en} ({interval} intervals).",
            f"Con el ajuste fino, el modelo olvida cómo responder a preguntas: de las {asked.es} preguntas "
            f"de control con una sola respuesta correcta, {first} acierta el {before.es}; {second}, el "
            f"{after.es} (intervalos del {interval}).",
        )
    ]


def percent_with_interval(row: dict[str, Any]) -> Bilingual:
    """Return the exact answers of a system in %, with their interval."""
    mean, between = decimal(row["exact_pct"], 1), bounds(row, 1)
    return Bilingual(f"{mean.en} % ({between.en})", f"{mean.es} % ({between.es})")


def with_interval(row: dict[str, Any], interval: str) -> Bilingual:
    """Return a difference with its interval."""
    difference, between = decimal(row["difference"], sign="+"), bounds(row, sign="+")
    return Bilingual(
        f"{difference.en} ({interval} interval {between.en})",
        f"{difference.es} (intervalo del {interval}: {between.es})",
    )


def bounds(row: dict[str, Any], places: int = 2, sign: str = "") -> Bilingual:
    """Return the interval of a row in words."""
    lower, upper = (decimal(row[key], places, sign) for key in ("lower", "upper"))
    return Bilingual(f"{lower.en} to {upper.en}", f"de {lower.es} a {upper.es}")


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
