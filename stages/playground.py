"""Playground: a page on this machine where an article and the systems' summaries stand side by side.

Reads   the model folders of the systems that are chosen
Params  as `summarize`: systems, generate, tokenize.source_tokens, format

    make try
    python -m stages.playground --port 7861

Needs requirements-try.txt. Only this machine can open it.
"""

import logging
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.shared.cli import InputError, parser, run
from stages.shared.files import read_table
from stages.shared.params import read_params
from stages.shared.systems import system_names, system_params
from stages.shared.words import words
from stages.summarize import Article, Summarizer, load_summarizer, options_of

log = logging.getLogger("playground")

RAW_TEST = Path("data/raw/test.parquet")
HERE = "127.0.0.1"
WIDTHS = ["23%", "60%", "17%"]
HEADERS = ["system", "summary", "words"]


def offered() -> list[str]:
    """Return the systems whose model folder is there.

    Raises:
        InputError: there is none.
    """
    params = read_params()
    found = [name for name in system_names(params) if system_params(params, name).path.is_dir()]
    if not found:
        raise InputError(
            "models: no system's model is there; `dvc repro` makes them, `dvc pull` fetches them"
        )
    return found


@cache
def summarizer(system: str) -> Summarizer:
    """Return a system's summarizer; it is loaded once."""
    return load_summarizer(options_of(["--model", system]))


def parts(text: str, read: int) -> list[tuple[str, str | None]]:
    """Return a text as what was read of it and what was not, as the page highlights it.

    >>> parts("Llueve hoy.", 6)
    [('Llueve', None), (' hoy.', 'not read')]
    """
    return [(text[:read], None), *([(text[read:], "not read")] if text[read:].strip() else [])]


def end_of_read(model: Summarizer, article: Article) -> int:
    """Return how many characters of an article a model reads; of a conversation, all that is asked."""
    text = article.values["text"]
    (prompt,) = model.prompts(article)
    start, encoding = prompt.find(text), model.tokenizer.encode(prompt)
    if start < 0 or len(encoding.ids) <= model.source_tokens:
        return len(text)
    return max(0, encoding.offsets[model.source_tokens - 2][1] - start)  # the last place is that of </s>


def compare(text: str, systems: list[str]) -> tuple[list[tuple[str, str | None]], list[list[Any]]]:
    """Return the article with what no chosen system read, and a row for each: HEADERS.

    Raises:
        InputError: there is no article, or no system is chosen.
    """
    if not words(text):
        raise InputError("paste an article first")
    if not systems:
        raise InputError("choose a system first")
    rows, furthest = [], 0
    for system in systems:
        model = summarizer(system)
        article = Article("the article", "article", {"text": text, "title": "", "topic": ""})
        (made,) = model.summarize([article])
        rows.append([system, made["summary"], len(words(made["summary"]))])
        furthest = max(furthest, end_of_read(model, article))
    return parts(text, furthest), rows


def page(systems: list[str], example: str) -> Any:
    """Return the page, with `example` in it."""
    gradio = import_module("gradio")

    def asked(text: str, chosen: list[str]) -> tuple[list[tuple[str, str | None]], list[list[Any]]]:
        try:
            return compare(text, chosen)
        except InputError as error:
            raise gradio.Error(str(error)) from error

    with gradio.Blocks(title="Resumen", analytics_enabled=False) as blocks:
        gradio.Markdown(
            "# Resumen\nAn article, and what each system makes of it. The miniatures know only our news."
        )
        with gradio.Row():
            with gradio.Column():
                text = gradio.Textbox(example, label="Article", lines=14)
                chosen = gradio.CheckboxGroup(systems, value=systems[-1:], label="Systems")
                button = gradio.Button("Summarize", variant="primary")
            with gradio.Column():
                rows = gradio.Dataframe(headers=HEADERS, label="Summaries", wrap=True, column_widths=WIDTHS)
                read = gradio.HighlightedText(label="What was read", color_map={"not read": "red"})
        button.click(asked, [text, chosen], [read, rows])
    return blocks


def main() -> None:
    arguments = parser(__doc__, "python -m stages.playground --port 7861")
    arguments.add_argument("--port", type=int, default=7860, help="(default: 7860)")
    port = arguments.parse_args().port
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.getLogger("httpx").setLevel(logging.WARNING)
    systems = offered()
    example = next(iter(read_table(RAW_TEST, ["text"])), {"text": ""})["text"] if RAW_TEST.exists() else ""
    try:
        blocks = page(systems, example)
    except ModuleNotFoundError as error:
        raise InputError("gradio: not installed; `pip install -r requirements-try.txt`") from error
    log.info("open http://%s:%d; Ctrl-C ends it", HERE, port)
    blocks.launch(server_name=HERE, server_port=port, share=False, quiet=True)


if __name__ == "__main__":
    run(main)
