"""The playground's page, in Gradio."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gradio

from resumen.page.languages import Bilingual
from resumen.runtime.errors import nearest
from resumen.text.characters import normalize
from resumen.text.words import words
from resumen.tools.examples import Example
from resumen.tools.playground_texts import (
    CSS,
    UI_TEXTS,
    Card,
    Label,
    browser_language,
    cards_html,
    describe_read,
    hint_html,
    read_html,
    reference_html,
    say,
)

Labels = Mapping[str, Label]  # by system
SummaryCard = Callable[[str, str], Card]  # of a system and an article

# What the browser translates; the rest is drawn here, in the language that the browser asks for.
translated = gradio.I18n(
    **{
        language: {key: getattr(text, language) for key, text in UI_TEXTS.items()}
        for language in Bilingual._fields
    }
)


def language_in(request: gradio.Request) -> str:
    """Return the language of the page that asks."""
    return browser_language(request.headers.get("accept-language"))


def missing(text: str, chosen: Sequence[str]) -> str:
    """Return the key of what is missing in UI_TEXTS, "" if nothing is."""
    if not words(text):
        return "no text"
    return "" if chosen else "no system"


def choices_of(labels: Labels, language: str) -> list[tuple[str, str]]:
    """Return what the boxes of the systems say, with the systems."""
    return [(getattr(label.name, language), system) for system, label in labels.items()]


def answer_page(labels: Labels, summary_card: SummaryCard) -> Callable[..., Iterator[tuple[Any, Any, Any]]]:
    """Return what the button does: it yields hint, cards and article each time that a system is done."""

    def asked(text: str, chosen: list[str], request: gradio.Request) -> Iterator[tuple[Any, Any, Any]]:
        language = language_in(request)
        if key := missing(text, chosen):
            yield hint_html(say(key, language)), gradio.skip(), gradio.skip()
            return
        text = normalize(text)
        cards = {system: Card(system) for system in labels if system in chosen}
        yield "", cards_html(cards.values(), text, labels, language), ""
        for system in cards:
            cards[system] = summary_card(system, text)
            ends = [card.end for card in cards.values() if card.end is not None]
            yield "", cards_html(cards.values(), text, labels, language), read_html(text, ends, language)

    return asked


def answer_client(
    labels: Labels, summary_card: SummaryCard
) -> Callable[[str, list[str]], list[dict[str, str]]]:
    """Return what a client of the API calls."""

    def summarize(text: str, systems: list[str]) -> list[dict[str, str]]:
        """Return each system's summary of an article, and how much of the article it read."""
        unknown = [system for system in systems if system not in labels]
        cards = []
        if key := missing(text, systems):
            problems = [say(key, "en")]
        elif unknown:
            problems = [f"systems: no such system, got {unknown[0]!r}{nearest(unknown[0], [*labels])}"]
        else:
            text = normalize(text)
            cards = [summary_card(system, text) for system in systems]
            problems = [card.problem for card in cards if card.problem]
        if problems:
            raise gradio.Error(problems[0], print_exception=False)
        return [
            {"system": card.system, "summary": card.summary, "read": describe_read(text, card.end or 0, "en")}
            for card in cards
        ]

    return summarize


def take(example: Example) -> Callable[..., tuple[str, ...]]:
    """Return what the button of an example does: its article and reference come, all else is emptied."""

    def taken(request: gradio.Request) -> tuple[str, ...]:
        return example.text, reference_html(example, language_in(request)), "", "", ""

    return taken


def page(labels: Labels, first: str, examples: Sequence[Example], summary_card: SummaryCard) -> Any:
    """Return the page: system `first` is chosen, the first example stands in it."""

    def start(request: gradio.Request) -> tuple[Any, str]:
        language = language_in(request)
        shown = reference_html(examples[0], language) if examples else ""
        return gradio.CheckboxGroup(choices_of(labels, language)), shown

    with gradio.Blocks(title="Resumen", analytics_enabled=False) as blocks:
        gradio.Markdown("# Resumen")
        gradio.Markdown(translated("intro"))
        small = [label.is_miniature for label in labels.values()]
        if any(small):
            gradio.Markdown(translated("miniatures" if all(small) else "miniature"))
        if examples:
            gradio.Markdown(translated("examples"))
        with gradio.Row():
            taken = [gradio.Button(translated(example.kind), size="md") for example in examples]
        with gradio.Row():
            with gradio.Column(scale=1):
                text = gradio.Textbox(
                    examples[0].text if examples else "",
                    label=translated("article"),
                    info=translated("keys"),
                    placeholder=translated("paste"),
                    lines=14,
                    max_lines=14,
                )
                chosen = gradio.CheckboxGroup(
                    choices_of(labels, "en"), value=[first], label=translated("systems")
                )
                with gradio.Row():
                    button = gradio.Button(translated("summarize"), variant="primary")
                    clear = gradio.Button(translated("clear"))
                hint = gradio.HTML()
            with gradio.Column(scale=2):
                reference, cards, read = gradio.HTML(), gradio.HTML(), gradio.HTML()
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        outputs = [text, reference, hint, cards, read]
        asked = answer_page(labels, summary_card)
        running = gradio.on(
            [button.click, text.submit], asked, [text, chosen], [hint, cards, read], **private
        )
        for one, example in zip(taken, examples, strict=True):
            one.click(take(example), None, outputs, cancels=running, **private)
        clear.click(lambda: [""] * len(outputs), None, outputs, cancels=running, **private)
        # Not `input`: Gradio tells of keys alone, not of what is pasted or cut.
        kept = json.dumps([example.text for example in examples])
        edited = f"(text, shown) => [{kept}.includes(text) ? shown : '', '']"
        text.change(None, [text, reference], [reference, hint], js=edited, **private)
        blocks.load(start, None, [chosen, reference], **private)
        gradio.api(answer_client(labels, summary_card), api_name="summarize")
    return blocks


def serve(blocks: Any, host: str, port: int) -> None:
    """Serve a page until Ctrl-C ends it."""
    blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        css=CSS,
        i18n=translated,
        footer_links=["api", "gradio"],
        run_history=False,
    )
