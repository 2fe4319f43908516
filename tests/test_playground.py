"""Playground: the article as far as it is read, and a row for each system; without the page's library."""

import pytest

from stages.playground import HEADERS, compare, offered, parts, summarizer
from stages.shared.cli import InputError

ARTICLE = "La alcaldesa dijo que el río está en el valle. " * 40


@pytest.fixture
def tried(small_run):
    summarizer.cache_clear()
    return small_run


def test_only_systems_whose_model_is_there_are_offered(tried):
    assert offered() == ["flan-small", "finetuned"]  # gpt is a file of predictions


def test_each_system_has_a_row_and_the_rest_of_the_article_is_marked(tried):
    highlighted, rows = compare(ARTICLE, ["flan-small", "finetuned"])
    assert [row[0] for row in rows] == ["flan-small", "finetuned"]
    assert all(len(row) == len(HEADERS) for row in rows)
    assert "".join(text for text, _ in highlighted) == ARTICLE
    (read, _), (rest, label) = highlighted
    assert label == "not read"
    assert ARTICLE.startswith(read)
    assert len(rest) > len(read) > 10


def test_a_short_article_is_read_whole(tried):
    highlighted, _ = compare("Llueve en Ávila.", ["finetuned"])
    assert highlighted == [("Llueve en Ávila.", None)]


@pytest.mark.parametrize(
    ("text", "systems", "message"), [("  ", ["finetuned"], "paste"), ("Llueve.", [], "choose")]
)
def test_what_is_missing_is_said(tried, text, systems, message):
    with pytest.raises(InputError, match=message):
        compare(text, systems)


def test_no_model_at_all_is_said_with_the_next_step(project):
    with pytest.raises(InputError, match="no system's model is there; `dvc repro` makes them"):
        offered()


def test_parts_are_the_whole_text():
    assert parts("abc", 3) == [("abc", None)]
