"""Format: put each article inside the instruction prompt.

Reads   data/raw/{split}.parquet         id, text, summary, title, topic
Writes  data/formatted/{split}.parquet   id, prompt, completion
Params  format

    python -m stages.format
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from stages.shared.cli import parser, run
from stages.shared.files import FORMATTED, SPLITS, read_table, whole, write_table
from stages.shared.params import Block, load_params
from stages.shared.progress import track
from stages.shared.prompts import COLUMNS, check_template, fill

log = logging.getLogger("format")

RAW_DIR = Path("data/raw")
FORMATTED_DIR = Path("data/formatted")


class FormatParams(Block):
    style: Literal["instruction"]
    template: str  # prompt, with {text} once where the article goes; {title} and {topic} are known
    completion: str  # what the model is to write, with {summary}

    @field_validator("template")
    @classmethod
    def holds_the_article(cls, template: str) -> str:
        return check_template(template, "text")

    @field_validator("completion")
    @classmethod
    def holds_the_summary(cls, completion: str) -> str:
        return check_template(completion, "summary")


def format_rows(rows: Iterable[dict[str, str]], params: FormatParams) -> Iterator[dict[str, str]]:
    """Yield each row's id, prompt and completion, in their order."""
    for row in rows:
        yield {
            "id": row["id"],
            "prompt": fill(params.template, row),
            "completion": fill(params.completion, row),
        }


def main() -> None:
    parser(__doc__, "python -m stages.format").parse_args()
    params = load_params(FormatParams, "format")
    with whole(FORMATTED_DIR) as partial:
        for split in SPLITS:
            rows = read_table(RAW_DIR / f"{split}.parquet", ["id", *COLUMNS])
            prompts = track(format_rows(rows, params), f"format {split}")
            count = write_table(partial / f"{split}.parquet", prompts, FORMATTED)
            log.info("%-10s %6d prompts", split, count)
    log.info("wrote %s", FORMATTED_DIR)


if __name__ == "__main__":
    run(main)
