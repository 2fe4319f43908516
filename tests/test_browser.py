"""The page in a real browser: it asks nobody for anything, finds and sorts, runs nothing that it shows."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from stages.report import main
from stages.shared.files import RAW, read_jsonl, read_table, write_jsonl, write_table

browser_of = pytest.importorskip("playwright.sync_api", reason="needs tests/requirements.txt")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the PATH")

HOSTILE = [
    "<script>document.title = 'ran'</script>",
    '"><img src=x onerror="document.title=\'ran\'">',
    "</textarea></script><script>document.title='ran'</script><!--",
    '{"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "data": {"url": "http://127.0.0.1:1/x"}}',
    "\u202eal revés\u202c \u2028 👩‍👩‍👧 ñandú \u0001",
    "palabra " * 25_000,  # 200 KB
]


@pytest.fixture(scope="module")
def chromium():
    with browser_of.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, small_run, runs):
    """The report, opened from disk; whatever it logs or asks for is kept."""
    runs(main)
    opened = chromium.new_page(viewport={"width": 1100, "height": 900})
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(Path("reports/report.html").resolve().as_uri())
    yield opened
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("file:")] == []
    opened.close()


def ids(page):
    return [text.split(" · ")[0] for text in page.locator("#list button").all_inner_texts()]


def test_every_article_is_listed_and_the_first_is_open(page):
    rows = list(read_table(Path("data/raw/test.parquet"), ["id", "text"]))
    assert ids(page) == [row["id"] for row in rows]
    assert page.locator("#article h3").inner_text().startswith(rows[0]["id"])
    assert rows[0]["text"].split()[0] in page.locator("#article").inner_text()


def test_search_finds_without_accents_and_case(page):
    rows = list(read_table(Path("data/raw/test.parquet"), ["id", "summary"]))
    word = max((word for row in rows for word in row["summary"].split() if word.isalpha()), key=len)
    wanted = [row["id"] for row in rows if word.lower() in row["summary"].lower()]
    page.fill("#search", word.upper())
    assert ids(page) == wanted
    page.fill("#search", "nothing has this")
    assert ids(page) == []
    assert page.locator("#count").inner_text() == "0 articles"


def test_sorting_is_by_the_chosen_score_and_by_the_difference_of_two_systems(page):
    scores = {}
    for row in read_table(Path("data/scores.parquet"), ["system", "id", "rouge1"]):
        scores.setdefault(row["system"], {})[row["id"]] = round(row["rouge1"], 1)
    page.select_option("#measure", label="ROUGE-1")
    page.select_option("#system", label="lead-3")
    page.check("#descending")
    shown = page.locator("#list button").all_inner_texts()
    values = [float(text.split(" · ")[0]) for text in shown]
    assert values == sorted(scores["lead-3"].values(), reverse=True)
    page.select_option("#minus", label="lead-1")
    shown = [text.split(" · ")[:2] for text in page.locator("#list button").all_inner_texts()]
    for value, name in shown:
        assert float(value) == pytest.approx(scores["lead-3"][name] - scores["lead-1"][name], abs=0.11)
    assert [float(value) for value, _ in shown] == sorted((float(value) for value, _ in shown), reverse=True)


def test_topics_and_lengths_filter(page):
    rows = list(read_table(Path("data/raw/test.parquet"), ["id", "topic"]))
    page.select_option("#topic", label=rows[0]["topic"])
    assert ids(page) == [row["id"] for row in rows if row["topic"] == rows[0]["topic"]]
    page.select_option("#topic", index=0)
    page.select_option("#length", index=1)
    assert 0 < len(ids(page)) < len(rows)


def test_the_switch_speaks_spanish_and_english(page):
    assert page.locator("h1").inner_text().startswith("How much")
    page.click("text=Español")
    assert page.locator("h1").inner_text().startswith("¿Cuánto")
    assert page.locator("#count").inner_text().endswith("artículos")
    assert "better" not in page.locator("body").inner_text()
    page.click("text=English")
    assert page.locator("h1").inner_text().startswith("How much")


def test_the_explorer_is_used_with_the_keyboard(page):
    page.locator("#list button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#article h3").inner_text().startswith(ids(page)[1])


def test_the_page_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_everything_has_a_label(page):
    for control in page.locator("input, select").all():
        assert control.evaluate("node => node.labels[0]?.innerText.trim()")
    headings = page.locator("h1, h2, h3").evaluate_all("nodes => nodes.map(node => Number(node.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


@pytest.fixture
def hostile(small_run):
    """Put texts that would do harm everywhere that the page shows texts."""
    path = Path("data/raw/test.parquet")
    rows = list(read_table(path, RAW.names))
    texts = {row["id"]: HOSTILE[place % len(HOSTILE)] for place, row in enumerate(rows)}
    named = [
        {
            **row,
            "text": texts[row["id"]],
            "summary": texts[row["id"]][:2_000],
            "topic": texts[row["id"]][:100],
        }
        for row in rows
    ]
    write_table(path, named, RAW)
    for file in Path("data/predictions").glob("*.jsonl"):
        made = list(read_jsonl(file, ("id",)))
        every = [{**row, "prediction": texts[row["id"]], "spelled_reference": "x"} for row in made]
        write_jsonl(file, every)
    return texts


def test_what_is_shown_is_text_and_nothing_runs(hostile, page):
    for place, text in enumerate(hostile.values()):
        page.locator("#list button").nth(place).click()
        assert page.locator("#article .text").evaluate("node => node.textContent") == text
    assert page.title().startswith("Resumen")
    assert page.locator("#article script, #article img, #list img").count() == 0
