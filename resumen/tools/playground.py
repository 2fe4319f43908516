"""Playground: a page on this machine where an article and the systems' summaries stand side by side.

Reads   the model folders of the systems that are chosen
Params  as `summarize`: systems, generate, tokenize.source_tokens, format

    make try
    resumen playground --port 7861

Needs requirements-try.txt. Only this machine can open it.
"""

import logging
import os
import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from resumen.checkpoint.folder import reason_left_out
from resumen.page.table import is_miniature
from resumen.runtime.cli import parser
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import InputError
from resumen.runtime.paths import RAW_TEST
from resumen.schema.params import read_params
from resumen.schema.rows import read_table
from resumen.schema.systems import system_names, system_params
from resumen.text.characters import normalize
from resumen.text.words import words
from resumen.tools.articles import Article

if TYPE_CHECKING:
    from resumen.tools.summarizer import Summarizer

log = logging.getLogger("playground")

HOST = "127.0.0.1"
MIN_WIDTH = 220  # pixels of a summary; narrower screens have them below one another
READ_BY_SOME, READ_BY_NONE = "not read by all", "not read"
HIGHLIGHTS = {READ_BY_SOME: "yellow", READ_BY_NONE: "red"}
NUM_LAST = 5  # words before the cut that are shown

Marked = list[tuple[str, str | None]]  # an article in parts, as the page highlights it


class Card(NamedTuple):
    """What the page shows of a system."""

    system: str
    summary: str
    read: str


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


def labels_of(systems: Sequence[str]) -> dict[str, str]:
    """Return how each system is called on the page, where a miniature is named as such."""
    params = read_params()
    return {
        system: f"{system} (a miniature)" if is_miniature(params, system) else system for system in systems
    }


def split_read(text: str, ends: Sequence[int]) -> Marked:
    """Return a text as what all, some and none of the systems read; they read to `ends`.

    >>> split_read("Llueve hoy en Soria.", [6, 10])
    [('Llueve', None), (' hoy', 'not read by all'), (' en Soria.', 'not read')]
    """
    minimum, maximum = min(ends), max(ends)
    cut = [(text[minimum:maximum], READ_BY_SOME), (text[maximum:], READ_BY_NONE)]
    return [(text[:minimum], None), *((part, label) for part, label in cut if part.strip())]


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


def describe_read(text: str, end: int) -> str:
    """Return how much of a text was read, and where that ended.

    >>> describe_read("Hoy llueve en Soria.", 13)
    '3 of 4 words, to «Hoy llueve en»'
    """
    read, count = words(text[:end]), len(words(text))
    if end == len(text):
        return f"all {count} words"
    if not read:
        return f"none of {count} words"
    return f"{len(read)} of {count} words, to «{' '.join(text[:end].split()[-NUM_LAST:])}»"


def summarize_all(text: str, systems: Sequence[str]) -> tuple[Marked, list[Card]]:
    """Return the article with what was not read of it, and what each system made of it.

    Raises:
        InputError: there is no article, or no system is chosen.
    """
    if not words(text):
        raise InputError("paste an article first")
    if not systems:
        raise InputError("choose a system first")
    cards, ends = [], []
    text = normalize(text)
    article = Article("the article", "article", {"text": text, "title": "", "topic": ""})
    for system in systems:
        model = summarizer(system)
        (output,) = model.summarize([article])
        ends.append(end_of_read(model, article))
        cards.append(Card(system, output["summary"], describe_read(text, ends[-1])))
    return split_read(text, ends), cards


def page(systems: list[str], example: str) -> Any:
    """Return the page, with `example` in it."""
    gradio = import_module("gradio")
    labels = labels_of(systems)

    def asked(text: str, chosen: list[str]) -> list[Any]:
        try:
            marked, cards = summarize_all(text, chosen)
        except InputError as error:
            raise gradio.Error(str(error)) from error
        output = {card.system: card for card in cards}
        shown = [output.get(system, Card(system, "", "")) for system in systems]
        columns = [gradio.Column(visible=system in output) for system in systems]
        return [marked, *columns, *(card.summary for card in shown), *(card.read for card in shown)]

    message = "# Resumen\nAn article, and what each system makes of it."
    if set(labels) != set(labels.values()):
        message += (
            " A miniature knows only our made-up news; a real one is made by `dvc exp run -S profile=course`."
        )
    with gradio.Blocks(title="Resumen", analytics_enabled=False) as blocks:
        gradio.Markdown(message)
        with gradio.Row():
            with gradio.Column(scale=1):
                text = gradio.Textbox(example, label="Article", lines=14)
                choices = [(label, system) for system, label in labels.items()]
                chosen = gradio.CheckboxGroup(choices, value=systems[-1:], label="Systems")
                button = gradio.Button("Summarize", variant="primary")
                marked = gradio.HighlightedText(label="What was read", color_map=HIGHLIGHTS)
            with gradio.Column(scale=2), gradio.Row():
                columns, summaries, read = [], [], []
                for label in labels.values():
                    with gradio.Column(visible=False, min_width=MIN_WIDTH) as column:
                        summaries.append(gradio.Textbox(label=label, lines=4))
                        read.append(gradio.Textbox(label="What it read"))
                    columns.append(column)
        button.click(asked, [text, chosen], [marked, *columns, *summaries, *read], api_name="summarize")
    return blocks


def main() -> None:
    arguments = parser(__doc__, "resumen playground --port 7861")
    arguments.add_argument("--port", type=int, default=7860, help="(default: 7860)")
    port = arguments.parse_args().port
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("httpx").setLevel(logging.WARNING)
    systems = offered()
    example = next(iter(read_table(RAW_TEST, ["text"])), {"text": ""})["text"] if RAW_TEST.exists() else ""
    try:
        blocks = page(systems, example)
    except ModuleNotFoundError as error:
        raise InputError("gradio: not installed; `pip install -r requirements-try.txt`") from error
    log.info("open http://%s:%d; Ctrl-C ends it", HOST, port)
    blocks.launch(server_name=HOST, server_port=port, share=False, quiet=True)
