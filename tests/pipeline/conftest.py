"""The order of the tests: what takes longest begins first, so that the workers end together."""

import pytest

LONGEST = (
    "test_end_to_end",
    "test_sweep",
    "test_remotes",
    "test_real_sources",
    "test_distributed",
    "test_hub",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules of LONGEST first, in its order, and leave the others in theirs."""
    indices = {name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: indices.get(item.path.stem, len(indices)))
