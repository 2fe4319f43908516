"""Playground: how far each system reads, a card for each, examples by their scores, both languages, hints."""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resumen.page.languages import Bilingual
from resumen.runtime.errors import InputError
from resumen.runtime.paths import FINETUNED_DIR, RAW_TEST, SCORES_FILE
from resumen.schema.jsonl import read_jsonl, write_jsonl
from resumen.schema.rows import read_table
from resumen.scoring.faithfulness import invented_names, invented_numbers
from resumen.scoring.measures import ArticleIndex
from resumen.text.words import words
from resumen.tools.articles import Article
from resumen.tools.examples import Choice, Example, choose, read_examples
from resumen.tools.playground import check_port, end_of_read, labels_of, offered, summarizer, summary_card
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
    split_read,
)
from tests.helpers.paths import ROOT
from tests.helpers.project import SCRIPT

ARTICLE = "La alcaldesa dijo que el río\n\nestá en  el valle. " * 40
SYSTEMS = ["flan-small", "finetuned"]
HOSTILE = f"{SCRIPT}<img src=x onerror='alert(1)'></section>&amp; ${{alert(1)}} {{{{this}}}}"


@pytest.fixture
def tried(small_run):
    summarizer.cache_clear()
    return small_run


class Page(HTMLParser):
    """The elements of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(str(html))

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def test_only_systems_whose_model_is_there_are_offered(tried):
    assert offered() == SYSTEMS  # gpt is a file of predictions


def test_a_miniature_among_other_models_is_named_as_such(tried, set_params):
    label = labels_of(offered())["finetuned"]
    assert label.name == ("finetuned", "finetuned")  # all are, and the page says so above
    assert label.is_miniature
    set_params({"systems.own": {"from": "own/model"}})
    assert labels_of(offered())["finetuned"].name == ("finetuned (miniature)", "finetuned (miniatura)")
    set_params({"weights": "hub"})
    label = labels_of(offered())["finetuned"]
    assert (label.name, label.is_miniature) == (("finetuned", "finetuned"), False)


def test_a_card_says_how_far_its_system_read(tried, set_params):
    set_params(
        {"systems.flan-small.template": "Di en una sola frase corta lo que dice hoy este texto: {text}"}
    )
    cards = [summary_card(system, ARTICLE) for system in SYSTEMS]
    assert [card.system for card in cards] == SYSTEMS
    parts = split_read(ARTICLE, [card.end for card in cards])
    assert "".join(text for text, _ in parts) == ARTICLE
    assert [key for _, key in parts] == ["", "not read by all", "not read"]
    (by_all, _), (by_some, _), _ = parts
    for card, read in zip(cards, (by_all, by_all + by_some), strict=True):
        last = " ".join(read.split()[-5:])
        expected = f"read {len(words(read))} of {len(words(ARTICLE))} words, to “{last}”"
        assert describe_read(ARTICLE, card.end, "en") == expected


@pytest.mark.parametrize("style", ["instruction", "conversation"])
@pytest.mark.parametrize("length", range(70, 74))
def test_what_is_said_to_be_read_is_what_the_model_is_given(tried, set_params, style, length):
    set_params({"format.style": style, "tokenize.source_tokens": length})
    model = summarizer("finetuned")
    article = Article("x", "x", {"text": ARTICLE, "title": "", "topic": ""})
    (ids,), _ = model.model.encode(model.prompts(article), model.source_tokens, style)
    given = "".join(model.model.decode([ids])[0].removesuffix("[Asistente]").split())
    read = ARTICLE[: end_of_read(model, article)].split()
    following = ARTICLE.split()[len(read)]
    assert len(read) > 3
    _, start, seen = given.partition("Laalcaldesa")
    assert (start + seen).startswith("".join(read))
    assert len(start + seen) < len("".join([*read, following]))


def test_where_the_question_takes_all_the_room_nothing_is_read(tried, set_params):
    set_params({"format.style": "conversation", "tokenize.source_tokens": 30})
    end = summary_card("finetuned", ARTICLE).end
    assert split_read(ARTICLE, [end]) == [("", ""), (ARTICLE, "not read")]
    assert describe_read(ARTICLE, end, "en") == "read nothing of the article"


def test_a_short_article_is_read_whole(tried):
    end = summary_card("finetuned", "Llueve en Ávila.").end
    assert split_read("Llueve en Ávila.", [end]) == [("Llueve en Ávila.", "")]
    assert describe_read("Llueve en Ávila.", end, "es") == "leyó el artículo entero"


def test_a_model_folder_that_is_gone_is_a_message_with_the_next_step(tried):
    folder = FINETUNED_DIR / "flan-small"
    folder.rename("elsewhere")
    card = summary_card("finetuned", "Llueve.")
    assert card.problem == (
        f"{folder}: no such model folder; `dvc repro` makes it (`dvc pull`, where a remote has it)"
    )
    assert (card.summary, card.end) == ("", None)
    assert card.problem in Page(drawn([card], "Llueve.")).text


def test_no_model_at_all_is_said_with_the_next_step(project):
    with pytest.raises(InputError, match="no system's model is there; `dvc repro` makes them"):
        offered()


def test_a_port_in_use_is_said_with_the_option():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            InputError,
            match=rf"^--port: cannot serve 127.0.0.1:{port}: .*; take another, such as `--port {port + 1}`",
        ):
            check_port(port)
    check_port(port)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_is_none_is_said(port):
    with pytest.raises(InputError, match=f"--port: expected 1 to 65535, got {port}"):
        check_port(port)


# What the page shows.


def drawn(cards, text, language="en"):
    labels = {
        card.system: Label(Bilingual(card.system, card.system), Bilingual("", ""), False) for card in cards
    }
    return cards_html(cards, text, labels, language)


def test_parts_are_the_whole_text():
    assert split_read("abc", [3, 3]) == [("abc", "")]
    assert split_read("abc", [1, 1]) == [("a", ""), ("bc", "not read")]


def test_words_and_lines_of_the_article_are_whole():
    html = read_html(ARTICLE, [4 + len("La alcaldesa"), len(ARTICLE) // 2], "en")
    shown = re.search(r'<p class="text">(.*?)</p>', html, re.DOTALL)[1]
    assert re.sub("</?mark[^>]*>", "", shown) == ARTICLE  # nothing stands between the parts
    rule = re.search(r"\.read \.text \{(.*?)\}", CSS)[1]
    assert all(style in rule for style in ("white-space: pre-wrap", "word-break: normal", "hyphens: none"))


def test_what_is_marked_is_told_in_words():
    html = read_html("uno dos tres", [3, 7], "es")
    assert re.findall("<mark[^>]*>(.*?)</mark>", html) == [
        "no lo leyeron todos",
        "no lo leyó ninguno",
        " dos",
        " tres",
    ]
    assert Page(read_html("uno", [3], "en")).tags["mark"] == 0
    assert read_html("uno", [], "en") == ""


def test_what_anybody_wrote_is_escaped():
    example = Example("typical", 1.0, HOSTILE, HOSTILE, [HOSTILE])
    pages = {
        "read": read_html(HOSTILE, [3, 9], "en"),
        "card": drawn([Card(HOSTILE, HOSTILE, 3), Card("x", problem=HOSTILE)], HOSTILE),
        "reference": reference_html(example, "en"),
        "hint": hint_html(HOSTILE),
    }
    for name, html in pages.items():
        page = Page(html)
        assert set(page.tags) <= {"section", "h2", "p", "mark", "div"}, name
        assert page.attributes <= {"class", "role"}, name
        assert HOSTILE in page.text, name


# Its examples.


def scores_of(rouge, invented):
    return {
        name: {"rougeL": points, "invented_names": names, "invented_numbers": numbers}
        for name, points, (names, numbers) in zip("abcd", rouge, invented, strict=True)
    }


def test_examples_are_the_median_the_most_inventive_and_the_longest_that_is_cut():
    scores = scores_of([50.0, 10.0, 30.0, 20.0], [(0, 1), (1, 1), (0, 2), (0, 0)])
    lengths = {"a": 5, "b": 90, "c": 70, "d": 80}
    assert choose(scores, lengths, {"a", "c", "d"}) == [
        Choice("typical", "d", 20.0),  # the lower one of the two in the middle
        Choice("invents", "b", 2),  # the first of two
        Choice("cut", "d", 80),
    ]
    assert choose(scores, lengths, set())[-1] == Choice("longest", "b", 90)
    nothing = scores_of([50.0, 10.0, 30.0, 20.0], [(0, 0)] * 4)
    assert [choice.kind for choice in choose(nothing, lengths, set())] == ["typical", "longest"]


def test_examples_are_what_they_are_said_to_be(tried):
    rows = {row["text"]: row for row in read_table(RAW_TEST, ["id", "text", "summary"])}
    scores = pd.read_parquet(SCORES_FILE).query("system == 'gpt'").set_index("id")  # it invents
    (typical, invents, last) = read_examples("gpt")
    assert [typical.kind, invents.kind, last.kind] == ["typical", "invents", "longest"]  # nothing is cut
    rouge = scores["rougeL"]
    assert rouge[rows[typical.text]["id"]] == typical.value == np.percentile(rouge, 50, method="lower")
    invented = scores["invented_names"] + scores["invented_numbers"]
    assert invented[rows[invents.text]["id"]] == invents.value == invented.max() > 0
    article = ArticleIndex.of(invents.text).facts
    found = [*invented_names(SCRIPT, article, "es"), *invented_numbers(SCRIPT, article)]
    assert len(found) == invents.value
    assert last.value == len(words(last.text)) == max(len(words(text)) for text in rows)
    for example in (typical, invents, last):
        assert example.references[0] == rows[example.text]["summary"]


def test_the_article_that_is_cut_was_cut(tried):
    cut = next(example for example in read_examples("finetuned") if example.kind == "cut")
    ids = {row["text"]: row["id"] for row in read_table(RAW_TEST, ["id", "text"])}
    path = Path("data/predictions/finetuned.jsonl")
    rows = {row["id"]: row for row in read_jsonl(path, ("id", "truncated"))}
    assert rows[ids[cut.text]]["truncated"]
    assert summary_card("finetuned", cut.text).end < len(cut.text)
    short = min(ids, key=lambda text: len(words(text)))
    write_jsonl(path, ({**row, "truncated": row["id"] == ids[short]} for row in rows.values()))
    assert read_examples("finetuned")[-1].text == short


@pytest.mark.parametrize("others", ["missing", "of other articles"])
def test_without_its_scores_the_first_test_article_is_the_example(tried, caplog, others):
    if others == "missing":
        SCORES_FILE.unlink()
    else:
        pd.read_parquet(SCORES_FILE).iloc[:-1].to_parquet(SCORES_FILE)
    (example,) = read_examples("gpt")
    first = next(read_table(RAW_TEST, ["text", "summary"]))
    assert (example.kind, example.text, example.references) == ("first", first["text"], [first["summary"]])
    assert "`dvc repro` makes" in caplog.text
    assert "The first of the test articles" in Page(reference_html(example, "en")).text
    RAW_TEST.unlink()
    assert read_examples("gpt") == []


# Its languages.


@pytest.mark.parametrize(
    ("header", "language"),
    [("es-ES,es;q=0.9", "es"), ("ES", "es"), ("en,es;q=0.9", "en"), ("est", "en"), ("", "en"), (None, "en")],
)
def test_the_first_language_of_the_browser_decides(header, language):
    assert browser_language(header) == language


def test_every_text_is_in_both_languages_with_the_same_values():
    for key, (en, es) in UI_TEXTS.items():
        assert en, key
        assert es != en, key
        assert sorted(re.findall(r"\{\w+\}", en)) == sorted(re.findall(r"\{\w+\}", es)), key


def test_numbers_are_written_as_each_language_does():
    text, end = "sí " * 12_000, 3 * 1_789
    assert describe_read(text, end, "es") == "leyó 1789 de las 12\u202f000 palabras, hasta «sí sí sí sí sí»"
    assert describe_read(text, end, "en") == "read 1,789 of 12,000 words, to “sí sí sí sí sí”"
    typical = Example("typical", 72.727, "finetuned", "", ["Llueve."])
    assert "es aquí 72,7, la mediana" in reference_html(typical, "es")
    assert "is 72.7 here, the median" in reference_html(typical, "en")


def test_cards_and_hints_are_in_the_language_of_the_browser():
    cards = [Card("finetuned"), Card("flan-small", "", 3)]
    assert "Resumiendo…" in drawn(cards, "uno", "es")
    assert "leyó el artículo entero" in drawn(cards, "uno", "es")
    assert "Summarizing…" in drawn(cards, "uno")
    assert "Referencia" in reference_html(Example("first", 0.0, "x", "", ["Llueve."]), "es")
    assert say("no text", "es") == "Pega primero un artículo."


# The page itself; all of Gradio.


@pytest.fixture
def handlers(tried):
    """What the button and a client of the API call."""
    pytest.importorskip("gradio", reason="needs requirements-try.txt")
    from resumen.tools.playground_page import answer_client, answer_page

    labels = labels_of(offered())
    return answer_page(labels, summary_card), answer_client(labels, summary_card)


class Request:
    """What a browser sends."""

    def __init__(self, language: str) -> None:
        self.headers = {"accept-language": language}


@pytest.mark.parametrize(
    ("text", "systems", "language", "message"),
    [
        (" \n", ["finetuned"], "es", "Pega primero un artículo."),
        ("", ["finetuned"], "en", "Paste an article first."),
        ("Llueve.", [], "es-MX", "Elige primero un sistema."),
    ],
)
def test_what_is_missing_is_a_hint_and_all_else_stays(handlers, text, systems, language, message):
    import gradio

    asked, _ = handlers
    ((hint, *others),) = asked(text, systems, Request(language))
    assert Page(hint).text == message
    assert others == [gradio.skip()] * 2


def test_cards_come_one_by_one_and_one_that_fails_stops_no_other(handlers):
    asked, _ = handlers
    Path("models/pretrained/flan-small").rename("elsewhere")
    steps = [[Page(html).text for html in step] for step in asked(ARTICLE, SYSTEMS, Request("en"))]
    assert [cards.count("Summarizing…") for _, cards, _ in steps] == [2, 1, 0]
    hint, cards, read = steps[-1]
    assert hint == ""
    assert "models/pretrained/flan-small: no such model folder; `dvc repro` makes it" in cards
    assert "read by none" in read
    assert ARTICLE in read


def test_a_client_is_told_why(handlers):
    import gradio

    _, summarize = handlers
    for text, systems, message in (
        ("", ["finetuned"], "Paste an article"),
        ("Llueve.", [], "Choose a system"),
        ("Llueve.", ["finetuned", "models/pretrained/flan-small"], "no such system, got 'models/pretrained"),
    ):
        with pytest.raises(gradio.Error, match=message) as caught:
            summarize(text, systems)
        assert not caught.value.print_exception


@pytest.fixture
def served(tried):
    """A page that is served by a process of its own: its port, a client that asks it, its stderr."""
    client = pytest.importorskip("gradio_client", reason="needs requirements-try.txt")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "resumen", "playground", "--port", str(port)]
    errors = Path("stderr.txt")
    with errors.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        until = time.monotonic() + 120
        while not is_open("127.0.0.1", port):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        yield port, client.Client(f"http://127.0.0.1:{port}", verbose=False), errors
    finally:
        process.terminate()
        process.wait()


def is_open(host, port):
    with socket.socket() as asked:
        asked.settimeout(5)
        return asked.connect_ex((host, port)) == 0


def test_the_page_answers_on_loopback_alone_and_failures_leave_no_traceback(served):
    port, client, errors = served
    assert is_open("127.0.0.1", port)
    assert not is_open("127.0.0.2", port)  # this machine too, and open if it listened everywhere
    (output,) = client.predict(ARTICLE, ["finetuned"], api_name="/summarize")
    card = summary_card("finetuned", ARTICLE)
    assert output == {
        "system": "finetuned",
        "summary": card.summary,
        "read": describe_read(ARTICLE, card.end, "en"),
    }
    for text, systems, message in (
        ("", ["finetuned"], "Paste an article first"),
        (ARTICLE, [], "Choose a system first"),
    ):
        with pytest.raises(Exception, match=message):
            client.predict(text, systems, api_name="/summarize")
    Path("models/pretrained/flan-small").rename("elsewhere")
    with pytest.raises(Exception, match="no such model folder; `dvc repro` makes it"):
        client.predict(ARTICLE, ["flan-small"], api_name="/summarize")
    log = errors.read_text(encoding="utf-8")
    assert f"open http://127.0.0.1:{port}" in log
    assert "Traceback" not in log
    assert "UserWarning" not in log


def test_the_page_names_its_miniatures_and_has_a_button_for_each_example(tried, set_params):
    pytest.importorskip("gradio", reason="needs requirements-try.txt")
    from resumen.tools.playground_page import page

    def config():
        return str(
            page(labels_of(offered()), "finetuned", read_examples("gpt"), summary_card).get_config_file()
        )

    shown = config()
    for key in ("miniatures", "typical", "invents", "longest", "summarize", "clear"):
        assert f'"key": "{key}"' in shown.replace("'", '"'), key
    assert all(example.text in shown for example in read_examples("gpt")[:1])
    set_params({"weights": "hub"})
    assert "miniature" not in config()
