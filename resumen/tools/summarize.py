"""Summarize: let a system summarize texts of your own, from files, a folder or standard input.

Reads   PATH ...            .txt, .md: one article; any file that `fetch` reads: an article a row, in the
                            column text, or the one that profiles.files.data.columns names, and perhaps id;
                            a folder: every .txt and .md in it, by name; no PATH, or -: standard input, one
                            article (--jsonl: one a line)
        the system's model folder
Writes  standard output     a summary a line, in the order of the articles; --json: an object a line of
                            id (a row's own, or FILE-N), summary, seconds (of generation: those of its batch,
                            shared evenly), tokens (read, the prompt's included), truncated
        standard error      that it is a miniature, articles that were cut or are empty (their summaries are,
                            and the exit code is 1), progress
Params  systems.S, generate, tokenize.source_tokens, format: as `generate` reads them, with the same result

    resumen summarize news.txt
    resumen summarize --json articles/ more.jsonl > summaries.jsonl
    cat book.txt | resumen summarize --windows --model flan-large --beams 4
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from typing import Any

from resumen.page.table import is_miniature
from resumen.runtime.cli import parser
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import printable
from resumen.runtime.progress import track
from resumen.schema.data import user_columns
from resumen.schema.params import read_params
from resumen.text.prompts import fields_of
from resumen.tools.articles import articles_of, sources_of

log = logging.getLogger("summarize")

DEFAULT_SYSTEM = "finetuned"


def warn_of_miniature(params: dict[str, Any], name: str, source: str) -> None:
    """Say so where a miniature summarizes, system or model folder `name`, which lies in `source`."""
    systems = {"asked": {"from": source}}
    if is_miniature({**params, "systems": systems}, "asked"):
        log.warning(
            "%s is a miniature that knows only our made-up news; a real one: `dvc exp run -S profile=course`",
            name,
        )


def write_summaries(summaries: Iterable[dict[str, Any]], as_json: bool) -> int:
    """Write each summary as a line of standard output at once.

    Return how many articles there were of which nothing was read.
    """
    num_empty = 0
    # Piped on Windows, it is the code page's.
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # typeshed: any TextIO
    for output in summaries:
        num_empty += output["tokens"] == 0
        message = (
            json.dumps(output, ensure_ascii=False)
            if as_json
            else printable(" ".join(output["summary"].splitlines()))
        )
        sys.stdout.write(f"{message}\n")
        sys.stdout.flush()
    return num_empty


def positive_int(text: str) -> int:
    """Return the number that an option gives.

    Raises:
        ArgumentTypeError: it is not a whole number ≥ 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number ≥ 1, got {text!r}")
    return int(text)


def options_of(given: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options, or those of `given`."""
    arguments = parser(__doc__, "resumen summarize news.txt")
    arguments.add_argument("paths", nargs="*", metavar="PATH", help="files or folders; - is standard input")
    arguments.add_argument("--json", action="store_true", help="write an object a line")
    arguments.add_argument("--jsonl", action="store_true", help="standard input has an object a line")
    arguments.add_argument(
        "--model",
        default=DEFAULT_SYSTEM,
        metavar="SYSTEM",
        help="a key of `systems` in params.yaml, or a model folder (default: %(default)s)",
    )
    arguments.add_argument("--windows", action="store_true", help="summarize long articles in parts")
    arguments.add_argument("--beams", type=positive_int, metavar="N", help="instead of generate.num_beams")
    arguments.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="instead of generate.max_new_tokens"
    )
    arguments.add_argument(
        "--batch-size", type=positive_int, metavar="N", help="instead of generate.batch_size"
    )
    return arguments.parse_args(given)


def main() -> None:
    options = options_of()
    share_cores(log)
    from resumen.tools.summarizer import load_summarizer  # PyTorch takes seconds to import

    sources = sources_of(options.paths, ".jsonl" if options.jsonl else ".txt")
    asked = {"num_beams": options.beams, "max_new_tokens": options.max_tokens}
    decoding = {key: value for key, value in asked.items() if value is not None}
    summarizer = load_summarizer(options.model, decoding, options.batch_size, options.windows)
    warn_of_miniature(read_params(), options.model, summarizer.source)
    if not options.paths and sys.stdin.isatty():
        log.info("reading standard input; an end of file (Ctrl-D) ends the article")
    fields = fields_of(summarizer.asking.template)
    summaries = summarizer.summarize(articles_of(sources, fields, *user_columns(read_params())))
    if not sys.stdout.isatty():  # a bar would stand between the summaries
        summaries = track(summaries, f"summarize {options.model}", unit="article")
    if num_empty := write_summaries(summaries, options.json):
        sys.exit(f"error: articles without text, whose summaries are empty: {num_empty}")
