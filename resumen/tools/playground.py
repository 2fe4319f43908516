"""Playground: a page on this machine where an article and the systems' summaries stand side by side.

Reads   the model folders of the systems that are chosen; for its examples data/raw/test.parquet,
        data/scores.parquet and data/predictions
Writes  nothing
Params  as `summarize`: systems, generate, tokenize.source_tokens, format; which are miniatures: checkpoints,
        weights

    make try
    resumen playground --port 7861

Needs requirements-try.txt. Only this machine can open the page, which is in Spanish or English, as its
browser asks.
"""

import logging
import os
import re
import socket
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from resumen.checkpoint.folder import reason_left_out
from resumen.page.table import TRAINED_SYSTEM, is_miniature, marks_of, named, what_is
from resumen.runtime.cli import parser
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from resumen.schema.systems import system_names, system_params
from resumen.tools.articles import Article
from resumen.tools.examples import read_examples
from resumen.tools.playground_texts import Card, Label

if TYPE_CHECKING:
    from resumen.tools.summarizer import Summarizer

log = logging.getLogger("playground")

HOST = "127.0.0.1"
DEFAULT_PORT, MAX_PORT = 7860, 65_535


def offered() -> list[str]:
    """Return the systems whose model folder is there.

    Raises:
        InputError: there is none.
    """
    params = read_params()
    paths = {name: system_params(params, name).path for name in system_names(params)}
    result = [name for name, path in paths.items() if path.is_dir() and not reason_left_out(path)]
    if not result:
        raise InputError(
            "models: no system's model is there; `dvc repro` makes them, `dvc pull` fetches them"
        )
    return result


@cache
def summarizer(system: str) -> "Summarizer":
    """Return a system's summarizer; it is loaded once."""
    share_cores(log)
    from resumen.tools.summarizer import load_summarizer  # PyTorch takes seconds to import

    return load_summarizer(system)


def labels_of(systems: Sequence[str]) -> dict[str, Label]:
    """Return how the page calls each system."""
    params = read_params()
    marks = marks_of(params)
    return {
        system: Label(named(system, marks), what_is(params, system), is_miniature(params, system))
        for system in systems
    }


def end_of_read(model: "Summarizer", article: Article) -> int:
    """Return how many characters of an article a model reads, up to the end of a word."""
    text = article.values["text"]
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    before_it = model.asking.template.partition("{text}")[0] + "{text}"  # what comes behind is cut before it
    asking = model.asking._replace(template=before_it)

    def is_cut(count: int) -> bool:
        prompt = asking.prompt({**article.values, "text": text[: ends[count - 1]]})
        return model.model.encode([prompt], model.source_tokens, asking.style)[1][0]

    num_read = bisect_left(range(1, len(ends) + 1), True, key=is_cut)
    return len(text) if num_read == len(ends) else ends[num_read - 1] if num_read else 0


def summary_card(system: str, text: str) -> Card:
    """Return what a system makes of an article, or why it cannot."""
    article = Article("the article", "article", {"text": text, "title": "", "topic": ""})
    try:
        model = summarizer(system)
        (output,) = model.summarize([article])
        return Card(system, output["summary"], end_of_read(model, article))
    except (InputError, OSError) as error:
        log.warning("%s: %s", system, error)
        return Card(system, problem=str(error))


def check_port(port: int) -> None:
    """Raise an InputError if the page cannot be served at `port`."""
    if not 0 < port <= MAX_PORT:
        raise InputError(f"--port: expected 1 to {MAX_PORT}, got {port}")
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        reason, other = os.strerror(error.errno or 0), port % MAX_PORT + 1
        raise InputError(
            f"--port: cannot serve {HOST}:{port}: {reason}; take another, such as `--port {other}`"
        ) from error


def main() -> None:
    arguments = parser(__doc__, "resumen playground --port 7861")
    arguments.add_argument("--port", type=int, default=DEFAULT_PORT, help="(default: %(default)s)")
    port = arguments.parse_args().port
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("summarize").setLevel(logging.ERROR)  # the page shows what is cut
    systems = offered()
    check_port(port)
    try:
        from resumen.tools.playground_page import page, serve  # Gradio takes seconds to import
    except ModuleNotFoundError as error:
        raise InputError("gradio: not installed; `pip install -r requirements-try.txt`") from error
    first = TRAINED_SYSTEM if TRAINED_SYSTEM in systems else systems[-1]
    blocks = page(labels_of(systems), first, read_examples(first), summary_card)
    log.info("open http://%s:%d; Ctrl-C ends it", HOST, port)
    serve(blocks, HOST, port)
