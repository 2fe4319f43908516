"""The embedded news as a source."""

from collections.abc import Iterable, Mapping
from typing import Any

from resumen.news.planted import news_splits
from resumen.schema.data import EmbeddedParams
from resumen.schema.rows import SPLITS
from resumen.sources.rows import RawRow, numbered


def embedded_splits(params: EmbeddedParams, origin: dict[str, Any]) -> Mapping[str, Iterable[RawRow]]:
    """Return the embedded news of each split, MLSUM's defects planted among them."""
    sizes = {split: getattr(params, split) for split in SPLITS}
    rows_of = news_splits(sizes, params.seed)
    return {split: numbered(rows, split) for split, rows in rows_of.items()}


def embedded_origin(params: EmbeddedParams) -> dict[str, Any]:
    """Return the seed, as metrics/data.json records it."""
    return {"seed": params.seed}
