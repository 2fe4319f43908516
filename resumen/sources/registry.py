"""The sources that `data.source` of a profile may name, each with what it says of itself and its rows."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from resumen.schema.data import DataParams
from resumen.sources.embedded import embedded_origin, embedded_splits
from resumen.sources.rows import RawRow
from resumen.sources.userfiles import file_origin, file_splits


class Source(NamedTuple):
    """Where rows come from. Its params are those that SOURCE_PARAMS has under the same name."""

    origin: Callable[[Any], dict[str, Any]]  # params -> what metrics/data.json records
    splits: Callable[[Any, dict[str, Any]], Mapping[str, Iterable[RawRow]]]  # params, origin -> rows


def hub_source() -> Source:
    """Return the hub, whose client is imported for it alone: 0.2 s, 11 MB."""
    from resumen.sources.hubfiles import hub_origin, hub_splits

    return Source(hub_origin, hub_splits)


SOURCES: dict[str, Callable[[], Source]] = {
    "embedded": lambda: Source(embedded_origin, embedded_splits),
    "hub": hub_source,
    "files": lambda: Source(file_origin, file_splits),
}


def source_of(params: DataParams) -> Source:
    """Return the source that checked params name."""
    return SOURCES[params.source]()
