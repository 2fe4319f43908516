"""Format: put each article inside its prompt, an instruction or a turn of a conversation.

Reads   data/raw/{split}.parquet         id, text, summary, title, topic; messages if it is there
        prompts/templates.yaml            if format.templates names a set of it
Writes  data/formatted/{split}.parquet   id, prompt, completion
Params  format

    python -m stages.format
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from resumen.prompts.templates import Pair, draw_pair, template_pairs
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write
from resumen.runtime.paths import FORMATTED_DIR, RAW_DIR
from resumen.runtime.progress import track
from resumen.schema.params import checked_params, parse_section
from resumen.schema.rows import FORMATTED, SPLITS, column_names, read_table, write_table
from resumen.schema.sections import FormatParams
from resumen.text.conversation import check_messages, render_conversation
from resumen.text.prompts import TEMPLATE_FIELDS, fill_template

log = logging.getLogger("format")

Choose = Callable[[str], Pair]  # a row's id -> how its summary is asked for


def chooser(split: str, pairs: list[Pair], seed: int) -> Choose:
    """Return how the rows of a split are asked: those of train in drawn ways, the others in the first."""
    return lambda row_id: draw_pair(pairs, seed, row_id) if split == "train" else pairs[0]


def format_row(row: dict[str, Any], pair: Pair, style: str) -> dict[str, str]:
    """Return a row's id, prompt and completion; only a conversation makes use of `messages`.

    Raises:
        ValueError: its turns, or its article as a turn, cannot be told from marks of turns.
    """
    prompt, completion = fill_template(pair.prompt, row), fill_template(pair.completion, row)
    if style == "conversation":
        asked = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        turns = row.get("messages")
        *messages, answer = check_messages(asked if turns is None else turns)
        prompt, completion = render_conversation(messages), answer["content"]
    return {"id": row["id"], "prompt": prompt, "completion": completion}


def format_rows(
    rows: Iterable[dict[str, Any]], choose: Choose, style: str, path: Path
) -> Iterator[dict[str, str]]:
    """Yield each row's id, prompt and completion, in their order.

    Raises:
        InputError: a row of `path` would be misread as a conversation.
    """
    for number, row in enumerate(rows, start=1):
        try:
            yield format_row(row, choose(row["id"]), style)
        except ValueError as error:
            raise InputError(f"{path}: row {number} (id {row['id']!r}): {error}") from error


def main() -> None:
    parser(__doc__, "python -m stages.format").parse_args()
    params = parse_section(FormatParams, checked_params(), "format")
    pairs = template_pairs(params)
    with atomic_write(FORMATTED_DIR) as partial:
        for split in SPLITS:
            path = RAW_DIR / f"{split}.parquet"
            columns = ["id", *TEMPLATE_FIELDS, *(name for name in column_names(path) if name == "messages")]
            choose = chooser(split, pairs, params.seed)
            rows = format_rows(read_table(path, columns), choose, params.style, path)
            count = write_table(partial / f"{split}.parquet", track(rows, f"format {split}"), FORMATTED)
            log.info("%-10s %6d prompts", split, count)
    log.info("wrote %s", FORMATTED_DIR)


if __name__ == "__main__":
    run(main)
