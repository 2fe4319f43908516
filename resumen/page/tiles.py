"""The answer at a glance: a tile for each training, one for both, and one for what was forgotten."""

from typing import Any

from resumen.page.answer import bounds, effects_of, forgotten_of
from resumen.page.languages import Bilingual, decimal, in_both_languages, verdict_of
from resumen.page.table import is_miniature
from resumen.scoring.registry import PRIMARY

# `title`, `value`, `unit`, `interval`, `change` (from what to what): Bilingual; `is_loss`, `is_miniature`.
Tile = dict[str, Any]


def tiles_of(params: dict[str, Any], evaluation: dict[str, Any]) -> list[Tile]:
    """Return the tiles of the page; fewer where not all was tested or nothing is forgotten."""
    scores = {row["system"]: decimal(row[PRIMARY]["mean"]) for row in evaluation["systems"]}

    def of_miniatures(*systems: str) -> dict[str, bool]:
        models = [name for name in systems if name in params["systems"]]  # others copy sentences
        return {"is_miniature": any(is_miniature(params, name) for name in models)}

    tiles = [
        training_tile(what, row, scores) | of_miniatures(row["system"], row["against"])
        for what, row, _ in effects_of(params, evaluation)
    ]
    if forgotten := forgotten_of(params, evaluation):
        tiles.append(forgotten_tile(*forgotten) | of_miniatures(*(row["system"] for row in forgotten)))
    return tiles


def training_tile(what: Bilingual, row: dict[str, Any], scores: dict[str, Bilingual]) -> Tile:
    """Return the tile of a difference that was tested."""
    one, other, verdict = row["system"], row["against"], verdict_of(row["verdict"])

    def change(language: str) -> str:
        before, after = (getattr(scores[name], language) for name in (other, one))
        return f"{other} {before} → {one} {after}: {getattr(verdict, language)}"

    return {
        "title": what,
        "value": decimal(row["difference"], sign="+"),
        "unit": Bilingual("points of ROUGE-L", "puntos de ROUGE-L"),
        "interval": bounds(row, sign="+"),
        "is_loss": False,
        "change": in_both_languages(change),
    }


def forgotten_tile(before: dict[str, Any], after: dict[str, Any]) -> Tile:
    """Return the tile of the probes that a system no longer answers once it is fine-tuned."""

    def pair(key: str) -> Bilingual:
        values = [decimal(row[key], 0) for row in (before, after)]
        return in_both_languages(lambda language: " % → ".join(getattr(value, language) for value in values))

    def intervals(language: str) -> str:
        return "; ".join(getattr(bounds(row, 1), language) for row in (before, after))

    share = pair("exact_pct")
    return {
        "title": Bilingual("Forgotten by fine-tuning", "Lo que el ajuste fino hace olvidar"),
        "value": Bilingual(f"{share.en} %", f"{share.es} %"),
        "unit": Bilingual("of the probes answered right", "de aciertos en las preguntas de control"),
        "interval": in_both_languages(intervals),
        "is_loss": True,
        "change": Bilingual(*(f"{before['system']} → {after['system']}",) * 2),
    }
