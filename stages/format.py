"""Format: put each article inside its prompt, an instruction or a turn of a conversation.

Reads   data/raw/{split}.parquet         id, text, summary, title, topic; messages if it is there
        stages/templates.yaml            if format.templates names a set of it
Writes  data/formatted/{split}.parquet   id, prompt, completion
Params  format

    python -m stages.format
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, field_validator

from stages.shared.cli import InputError, parser, run
from stages.shared.conversation import Style, check_messages, mark_in, render
from stages.shared.files import FORMATTED, SPLITS, column_names, read_table, whole, write_table
from stages.shared.params import Block, load_params
from stages.shared.progress import track
from stages.shared.prompts import COLUMNS, check_template, fill
from stages.shared.templates import TEMPLATES, Pair, chosen_set, draw, where

log = logging.getLogger("format")

RAW_DIR = Path("data/raw")
FORMATTED_DIR = Path("data/formatted")

Choose = Callable[[str], Pair]  # a row's id -> how its summary is asked for


class FormatParams(Block):
    style: Style
    template: str  # prompt, with {text} once where the article goes; {title} and {topic} are known
    completion: str  # what the model is to write, with {summary}
    templates: str | None  # a set of stages/templates.yaml instead of template and completion
    seed: NonNegativeInt  # of the draw from the set

    @field_validator("template")
    @classmethod
    def holds_the_article(cls, template: str) -> str:
        return check_template(template, "text")

    @field_validator("completion")
    @classmethod
    def holds_the_summary(cls, completion: str) -> str:
        return check_template(completion, "summary")


def pairs_of(params: FormatParams) -> list[Pair]:
    """Return the ways to ask for a summary, the first of which validation and test get.

    Raises:
        InputError: the set is not there or has a fault; or one would look like a turn of a conversation.
    """
    if params.templates is None:
        pairs = [Pair(prompt=params.template, completion=params.completion, source="params.yaml")]
        places = [{"prompt": "params.yaml: format.template", "completion": "params.yaml: format.completion"}]
    else:
        pairs = chosen_set(params.templates)
        names = [f"{TEMPLATES}: {where(params.templates, number)}" for number in range(1, len(pairs) + 1)]
        places = [{key: f"{name}.{key}" for key in ("prompt", "completion")} for name in names]
    if params.style == "conversation":
        for pair, place in zip(pairs, places, strict=True):
            for key, value in (("prompt", pair.prompt), ("completion", pair.completion)):
                if mark := mark_in(value):
                    raise InputError(
                        f"{place[key]}: holds {mark}, which style conversation puts there itself, "
                        f"got {value!r}; take it out"
                    )
    return pairs


def chooser(split: str, pairs: list[Pair], seed: int) -> Choose:
    """Return how the rows of a split are asked: those of train in drawn ways, the others in the first."""
    return lambda row_id: draw(pairs, seed, row_id) if split == "train" else pairs[0]


def format_row(row: dict[str, Any], pair: Pair, style: str) -> dict[str, str]:
    """Return a row's id, prompt and completion; only a conversation makes use of `messages`.

    Raises:
        ValueError: its turns, or its article as a turn, cannot be told from marks of turns.
    """
    prompt, completion = fill(pair.prompt, row), fill(pair.completion, row)
    if style == "conversation":
        asked = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        turns = row.get("messages")
        *messages, answer = check_messages(asked if turns is None else turns)
        prompt, completion = render(messages), answer["content"]
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
    params = load_params(FormatParams, "format")
    pairs = pairs_of(params)
    with whole(FORMATTED_DIR) as partial:
        for split in SPLITS:
            path = RAW_DIR / f"{split}.parquet"
            columns = ["id", *COLUMNS, *(name for name in column_names(path) if name == "messages")]
            choose = chooser(split, pairs, params.seed)
            rows = format_rows(read_table(path, columns), choose, params.style, path)
            count = write_table(partial / f"{split}.parquet", track(rows, f"format {split}"), FORMATTED)
            log.info("%-10s %6d prompts", split, count)
    log.info("wrote %s", FORMATTED_DIR)


if __name__ == "__main__":
    run(main)
