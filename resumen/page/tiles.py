"""The answer at a glance: a tile for each training, one for both, and one for what was forgotten."""

from typing import Any

from resumen.page.answer import bounds, effects_of, forgotten_of, two_by_two
from resumen.page.languages import Bilingual, decimal, in_both_languages, verdict_of
from resumen.scoring.registry import PRIMARY

Tile = dict[str, Any]  # `title`, `value`, `unit`, `interval`, and `change`, from what to what: Bilingual


def tiles_of(params: dict[str, Any], evaluation: dict[str, Any]) -> list[Tile]:
    """Return the tiles of the page; fewer where not all was tested or nothing is forgotten."""
    scores = {row["system"]: decimal(row[PRIMARY]["mean"]) for row in evaluation["systems"]}
    tiles = [training_tile(effect.what, effect.row, scores) for effect in effects_of(params, evaluation)]
    cross = two_by_two(params, evaluation)
    forgotten = forgotten_of(cross, evaluation["probes"]) if cross else ()
    return [*tiles, forgotten_tile(*forgotten)] if forgotten else tiles


def training_tile(what: Bilingual, row: dict[str, Any], scores: dict[str, Bilingual]) -> Tile:
    """Return the tile of a difference that was tested."""
    before, after, verdict = scores[row["against"]], scores[row["system"]], verdict_of(row["verdict"])
    return {
        "title": what,
        "value": decimal(row["difference"], sign="+"),
        "unit": Bilingual("points of ROUGE-L", "puntos de ROUGE-L"),
        "interval": bounds(row, sign="+"),
        "is_loss": False,
        "change": Bilingual(
            f"{before.en} → {after.en}: {verdict.en}", f"{before.es} → {after.es}: {verdict.es}"
        ),
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
