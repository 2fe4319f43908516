"""The memory that a process may plan with, where the user says how much."""

import os

from resumen.runtime.errors import InputError, shown


def users_budget() -> float | None:
    """Return what RESUMEN_MEMORY_GB says, in GiB, or None.

    Raises:
        InputError: it is no number over 0.
    """
    given = os.environ.get("RESUMEN_MEMORY_GB")
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < 10**6:
        raise InputError(f"RESUMEN_MEMORY_GB: expected a number of GiB over 0, such as 6, got {shown(given)}")
    return value
