"""Playground: how far each system reads, a card for each, and a page that this machine alone can open."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resumen.runtime.errors import InputError
from resumen.text.words import words
from resumen.tools.articles import Article
from resumen.tools.playground import end_of_read, labels_of, offered, split_read, summarize_all, summarizer
from tests.helpers.paths import ROOT

ARTICLE = "La alcaldesa dijo que el río\n\nestá en  el valle. " * 40


@pytest.fixture
def tried(small_run):
    summarizer.cache_clear()
    return small_run


def test_only_systems_whose_model_is_there_are_offered(tried):
    assert offered() == ["flan-small", "finetuned"]  # gpt is a file of predictions


def test_a_miniature_is_named_as_such_and_another_is_not(tried, set_params):
    small = {"flan-small": "flan-small (a miniature)", "finetuned": "finetuned (a miniature)"}
    assert labels_of(offered()) == small
    set_params({"weights": "hub"})
    assert labels_of(offered()) == {"flan-small": "flan-small", "finetuned": "finetuned"}


def test_each_system_has_a_card_and_the_rest_of_the_article_is_marked(tried, set_params):
    set_params(
        {"systems.flan-small.template": "Di en una sola frase corta lo que dice hoy este texto: {text}"}
    )
    marked, cards = summarize_all(ARTICLE, ["flan-small", "finetuned"])
    assert [card.system for card in cards] == ["flan-small", "finetuned"]
    assert "".join(text for text, _ in marked) == ARTICLE
    assert [label for _, label in marked] == [None, "not read by all", "not read"]
    (by_all, _), (by_some, _), _ = marked
    for card, read in zip(cards, (by_all, by_all + by_some), strict=True):
        last = " ".join(read.split()[-5:])
        assert card.read == f"{len(words(read))} of {len(words(ARTICLE))} words, to «{last}»"


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
    marked, (card,) = summarize_all(ARTICLE, ["finetuned"])
    assert marked == [("", None), (ARTICLE, "not read")]
    assert card.read == f"none of {len(words(ARTICLE))} words"


def test_a_short_article_is_read_whole(tried):
    marked, (card,) = summarize_all("Llueve en Ávila.", ["finetuned"])
    assert marked == [("Llueve en Ávila.", None)]
    assert card.read == "all 3 words"


@pytest.mark.parametrize(
    ("text", "systems", "message"), [("  ", ["finetuned"], "paste"), ("Llueve.", [], "choose")]
)
def test_what_is_missing_is_said(tried, text, systems, message):
    with pytest.raises(InputError, match=message):
        summarize_all(text, systems)


def test_no_model_at_all_is_said_with_the_next_step(project):
    with pytest.raises(InputError, match="no system's model is there; `dvc repro` makes them"):
        offered()


def test_parts_are_the_whole_text():
    assert split_read("abc", [3, 3]) == [("abc", None)]
    assert split_read("abc", [1, 1]) == [("a", None), ("bc", "not read")]


@pytest.fixture
def served(tried):
    """The port of a page that is served by a process of its own, and the client that asks it."""
    client = pytest.importorskip("gradio_client", reason="needs requirements-try.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "resumen", "playground", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        until = time.monotonic() + 120
        while not is_open("127.0.0.1", port):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        yield port, client.Client(f"http://127.0.0.1:{port}", verbose=False)
    finally:
        process.terminate()
        process.wait()


def is_open(host, port):
    with socket.socket() as asked:
        asked.settimeout(5)
        return asked.connect_ex((host, port)) == 0


def test_the_page_answers_on_loopback_alone(served):
    port, client = served
    assert is_open("127.0.0.1", port)
    assert not is_open("127.0.0.2", port)  # this machine too, and open if it listened everywhere
    marked, *output = client.predict(ARTICLE, ["finetuned"], api_name="/summarize")
    _, (card,) = summarize_all(ARTICLE, ["finetuned"])
    assert "".join(part["token"] for part in marked) == ARTICLE
    assert output[-4:] == ["", card.summary, "", card.read]
    with pytest.raises(Exception, match="choose a system first"):
        client.predict(ARTICLE, [], api_name="/summarize")


def test_the_page_names_its_miniatures(tried, set_params):
    pytest.importorskip("gradio", reason="needs requirements-try.txt")
    from resumen.tools.playground import page

    message = str(page(offered(), Path("params.yaml").read_text(encoding="utf-8")).get_config_file())
    assert "finetuned (a miniature)" in message
    assert "A miniature knows only our made-up news" in message
    set_params({"weights": "hub"})
    assert "miniature" not in str(page(offered(), "Llueve.").get_config_file())
