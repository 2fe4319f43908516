"""Two systems' scores on forty articles, as a revision has them."""

import pandas as pd

from resumen.tools.compare import Scored

IDS = [f"test-{number}" for number in range(40)]


def scored(name, shift=0.0, signature=("rows:40",), order=1):
    """Return 40 articles of two systems; `a` differs between revisions by `shift` and some noise."""
    rows = [
        {"system": system, "id": row_id, "rougeL": 10.0 + index % 7 + moved * (1 + index % 3)}
        for system, moved in (("a", shift), ("lead-3", 0.0))
        for index, row_id in enumerate(IDS)
    ]
    return Scored(name, pd.DataFrame(rows[::order]), list(signature))
