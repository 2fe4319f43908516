"""Predictions: what a system's summaries were made with, beside them (data/predictions/S.meta.json).

Of those made elsewhere that alone is known; of a system that was left out there are none, and why.
"""

from pathlib import Path
from typing import Any

from resumen.runtime.errors import InputError, shown
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.runtime.paths import PREDICTIONS_DIR

COST = "cost"  # parameters of the model, and floating-point operations an article, no part of the decoding
FOREIGN = "foreign"  # the predictions were made elsewhere, nobody here knows with what


def meta_path(system: str) -> Path:
    """Return where it stands what a system's predictions were made with."""
    return PREDICTIONS_DIR / f"{system}.meta.json"


def write_meta(system: str, meta: dict[str, Any]) -> None:
    """Write what a system's predictions were made with."""
    write_json(meta_path(system), meta)


def read_meta(system: str) -> dict[str, Any]:
    """Return what a system's predictions were made with.

    Raises:
        InputError: there is no such file, or it is no JSON object.
    """
    meta = read_json(meta_path(system))
    if not isinstance(meta, dict):
        raise InputError(
            f"{meta_path(system)}: expected an object, got {shown(meta)}; run `dvc repro generate@{system}`"
        )
    return meta
