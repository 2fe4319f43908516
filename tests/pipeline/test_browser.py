"""The page in a real browser: it asks nobody for anything, finds and sorts, runs nothing that it shows."""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from resumen.schema.jsonl import read_jsonl, write_jsonl
from resumen.schema.rows import RAW, read_table, write_table
from resumen.text.words import words
from stages.report import main

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


OPEN_ALL = "document.querySelectorAll('details').forEach(node => { node.open = true; })"
# The elements that `selector` finds whose content is wider than they are.
SCROLLED = """selector => [...document.querySelectorAll(selector)]
    .filter((node) => node.scrollWidth > node.clientWidth + 1).map((node) => node.innerText.slice(0, 40))"""
# Each text that is seen, with the contrast of its colour to what is behind it (WCAG 2.1).
CONTRASTS = """() => {
  const paper = document.body.appendChild(document.createElement("div"));
  paper.style.background = "Canvas";
  const parts = (colour) => {
    const numbers = colour.match(/[\\d.]+/g).map(Number), scale = colour.startsWith("color(") ? 255 : 1;
    return { rgb: numbers.slice(0, 3).map((value) => value * scale), alpha: numbers[3] ?? 1 };
  };
  const over = ({ rgb, alpha }, back) => rgb.map((value, place) => alpha * value + (1 - alpha) * back[place]);
  const light = (rgb) => rgb.map((value) => value / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + [0.2126, 0.7152, 0.0722][place] * value, 0);
  const canvas = parts(getComputedStyle(paper).backgroundColor).rgb;
  paper.remove();
  const behind = (node) => {
    if (!node) return canvas;
    const below = behind(node.parentElement);
    return over(parts(getComputedStyle(node).backgroundColor), below);
  };
  const opacity = (node) => (node ? getComputedStyle(node).opacity * opacity(node.parentElement) : 1);
  const ratio = (colour, node, more = 1) => {
    const back = behind(node), { rgb, alpha } = parts(colour);
    const front = over({ rgb, alpha: alpha * more * opacity(node) }, back);
    const [dark, bright] = [light(front), light(back)].sort((a, b) => a - b);
    return Math.round(100 * (bright + 0.05) / (dark + 0.05)) / 100;
  };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), node = walker.currentNode.parentElement;
    if (!text || !node.checkVisibility() || node.closest("script, style, noscript")) continue;
    const style = getComputedStyle(node), colour = node.closest("svg") ? style.fill : style.color;
    found.push([text.slice(0, 40), ratio(colour, node)]);
  }
  const input = document.querySelector("#search"), hint = getComputedStyle(input, "::placeholder");
  return [...found, ["placeholder", ratio(hint.color, input, hint.opacity)]];
}"""


@pytest.fixture(scope="module")
def chromium():
    with browser_of.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, small_run, runs):
    """The report, opened from disk; whatever it logs or asks for is kept."""
    if not Path("reports").exists():
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
    assert page.locator("#article").inner_text() == ""
    page.fill("#search", rows[2]["id"])
    assert page.locator("#count").inner_text() == "1 article"
    assert page.locator("#article h3").inner_text().startswith(rows[2]["id"])


def test_the_open_article_stays_as_it_is_while_the_search_finds_it(page):
    page.evaluate("document.querySelector('#article h3').dataset.same = 'yes'")
    page.fill("#search", "test")
    page.check("#descending")
    assert page.locator("#article h3").get_attribute("data-same") == "yes"
    assert page.locator("#article").get_attribute("aria-live") is None
    page.select_option("#measure", label="chrF")
    assert page.locator("#article thead").inner_text().strip() == "chrF"


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
    rows = list(read_table(Path("data/raw/test.parquet"), ["id", "text", "topic"]))
    page.select_option("#topic", label=rows[0]["topic"])
    assert ids(page) == [row["id"] for row in rows if row["topic"] == rows[0]["topic"]]
    page.select_option("#topic", index=0)
    lengths = sorted(len(words(row["text"])) for row in rows)
    first, second = (lengths[part * len(rows) // 3] for part in (1, 2))
    groups = [(0, first), (first + 1, second), (second + 1, 10**6)]
    for index, (minimum, maximum) in enumerate(groups, start=1):
        page.select_option("#length", index=index)
        assert ids(page) == [row["id"] for row in rows if minimum <= len(words(row["text"])) <= maximum]


ENGLISH = """
    all and any are article articles better by cannot cut decoded differences dropped epoch every exact first
    fine-tuned foreign from highest how instruction interval is kept left length longer lost measure mean
    miniature more new none novel number of order pass points probe probes prompt reason reference repeated
    right score scores search show standing steps summary system systems tell text the to topic train trimmed
    truncated validation value verdict versions what which with words worse wrong yes
""".split()


def test_the_switch_speaks_spanish_and_english(page):
    assert page.locator("h1").inner_text().startswith("How much")
    page.click("text=Español")
    assert page.locator("h1").inner_text().startswith("¿Cuánto gana un T5")
    assert page.locator("#count").inner_text().endswith("artículos")
    assert page.title().startswith("Resumen: cuánto")
    page.evaluate(OPEN_ALL)
    # What is quoted is not ours to translate: texts in a language of their own, names in type of their own.
    page.evaluate(
        "document.querySelectorAll('[lang]:not(html, .t, button), .mono, code').forEach(n => n.remove())"
    )
    message = page.locator("body").inner_text() + " ".join(
        page.locator("[aria-label]:visible").evaluate_all("nodes => nodes.map(node => node.ariaLabel)")
    )
    message = re.sub(r"\b(flan|test|lead|random|t5)-[\w-]+|\S+/\S+", "", message.replace("English", "", 1))
    result = set(re.findall(r"[a-z-]+", message.lower()))
    assert result & set(ENGLISH) == set()
    page.click("text=English")
    assert page.locator("h1").inner_text().startswith("How much")


def test_the_explorer_is_used_with_the_keyboard(page):
    page.locator("#list button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#article h3").inner_text().startswith(ids(page)[1])


def test_the_page_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SCROLLED, "#article .wide") == []
    # the first columns of the table of systems are its name, and ROUGE-L with its interval, and they are seen
    right = page.evaluate(
        "document.querySelector('#systems ~ .wide td:nth-child(2)').getBoundingClientRect().right"
    )
    assert right <= 390
    sizes = page.evaluate(
        "[...document.querySelectorAll('.t[lang=en] > svg')].map("
        "svg => 13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"
    )
    assert min(sizes) >= 11


def test_the_page_fits_a_desk(page):
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate(SCROLLED, "#systems ~ .wide:not(#probes ~ .wide)") == []


@pytest.mark.parametrize("millimetres", [210 - 24, 297 - 24])  # A4 less the margins, upright and across
def test_what_is_printed_is_whole(page, millimetres):
    width = int(millimetres / 25.4 * 96)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = page.locator("table, svg, pre, mark").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect().right)"
    )
    assert max(right) <= width
    assert page.evaluate(SCROLLED, ".wide, .text, figure") == []
    styles = page.locator(".wide, .text, figure").evaluate_all(
        "nodes => nodes.map(n => getComputedStyle(n).overflowX)"
    )
    assert set(styles) == {"visible"}
    mark = page.locator("mark").first.evaluate("node => getComputedStyle(node).textDecorationLine")
    assert mark == "underline"
    closed = page.locator("#kinds + details table").bounding_box()
    assert closed["height"] > 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    seen = page.evaluate(CONTRASTS)
    assert len(seen) > 300
    assert any(what == "placeholder" for what, _ in seen)
    assert [(what, ratio) for what, ratio in seen if ratio < 4.5] == []


def test_texts_have_the_language_of_the_data(page):
    page.evaluate("data.language = 'fr'; choose(open)")
    for index in ("#article .text", "#article td:not(.n) > span"):
        assert set(page.locator(index).evaluate_all("nodes => nodes.map(node => node.lang)")) == {"fr"}
    assert set(page.locator("#list button").evaluate_all("nodes => nodes.map(node => node.lang)")) == {"es"}
    assert page.locator(".probes tbody td span[lang]").count() > 20


def test_a_link_to_an_article_opens_it(page):
    link = page.locator("#faithfulness ~ .wide a[data-place]").last
    name = link.inner_text()
    link.click()
    assert page.locator("#article h3").inner_text().startswith(f"{name} ·")


LOST = [
    ("El año… terminó…", "ñó", ["ñ", "ó"]),
    ("El 5½ de Íñigo", "Íñ⁄", ["½", "Í", "ñ"]),
    ("La 2ª\nvez n\u0303o", "ñ", ["n\u0303"]),
    ("nada", "", []),
]


@pytest.mark.parametrize(("reference", "lost", "expected"), LOST)
def test_lost_letters_are_marked_and_no_others(page, reference, lost, expected):
    marks = (
        "node => [node.textContent, [...node.querySelectorAll('mark.lost')].map(mark => mark.textContent)]"
    )
    output = page.evaluate(f"([reference, lost]) => ({marks})(dropped(reference, lost))", [reference, lost])
    assert output == [reference, expected]


def test_a_foreign_system_is_called_so_in_the_explorer(page):
    heads = page.locator("#article tbody th").all_inner_texts()
    assert "gpt (foreign)" in heads
    assert "finetuned (miniature)" in heads
    assert "gpt (foreign)" in page.locator("#system option").all_inner_texts()
    page.click("text=Español")
    assert "gpt (ajeno)" in page.locator("#article tbody th").all_inner_texts()


def test_everything_has_a_label(page):
    for control in page.locator("input, select").all():
        assert control.evaluate("node => node.labels[0]?.innerText.trim()")
    headings = page.locator("h1, h2, h3").evaluate_all("nodes => nodes.map(node => Number(node.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


@pytest.fixture
def hostile(small_run):
    """Put texts that would do harm wherever the page shows texts, ids too; return them by id."""
    path = Path("data/raw/test.parquet")
    rows = list(read_table(path, RAW.names))
    names = {row["id"]: f"{index}{HOSTILE[index % 4]}" for index, row in enumerate(rows)}
    texts = {names[row["id"]]: HOSTILE[index % len(HOSTILE)] for index, row in enumerate(rows)}
    named = []
    for row in rows:
        name = names[row["id"]]
        harm = {"id": name, "text": texts[name], "summary": texts[name][:2_000], "topic": texts[name][:100]}
        named.append({**row, **harm})
    write_table(path, named, RAW)
    for file in Path("data/predictions").glob("*.jsonl"):
        all_rows = [
            {**row, "id": names[row["id"]], "prediction": texts[names[row["id"]]], "spelled_reference": "x"}
            for row in read_jsonl(file, ("id",))
        ]
        write_jsonl(file, all_rows)
    scores = pd.read_parquet("data/scores.parquet")
    scores.assign(id=scores["id"].map(names)).to_parquet("data/scores.parquet")
    for file in Path("data/answers").glob("*.jsonl"):
        all_rows = [
            {
                **row,
                "prompt": HOSTILE[0],
                "answer": HOSTILE[1],
                **({"reference": HOSTILE[2]} if row["reference"] else {}),
            }
            for row in read_jsonl(file, ("id",))
        ]
        write_jsonl(file, all_rows)
    path = Path("metrics/evaluation.json")
    evaluation = json.loads(path.read_text(encoding="utf-8"))
    evaluation["breakdown"][0]["value"] = HOSTILE[0]
    path.write_text(json.dumps(evaluation), encoding="utf-8")
    shutil.rmtree("reports")
    return texts


def test_what_is_shown_is_text_and_nothing_runs(hostile, page):
    texts = "nodes => nodes.map(node => node.textContent)"
    topics = page.locator("#topic option").evaluate_all(texts)
    systems = len(list(Path("data/predictions").glob("*.jsonl")))
    for index, (name, text) in enumerate(hostile.items()):
        reference = text[:2_000]
        button = page.locator("#list button").nth(index)
        assert button.evaluate("node => node.textContent") == f"{name} · {reference}"
        button.click()
        assert page.locator("#article .text").evaluate("node => node.textContent") == text
        assert (
            page.locator("#article h3")
            .evaluate("node => node.textContent")
            .startswith(f"{name} · {text[:100]}")
        )
        shown = page.locator("#article td:not(.n) > span").evaluate_all(texts)
        assert shown == [reference] * 2 + [text] * systems  # the reference, how it is spelled, each system
        assert text[:100] in topics
    answers = page.locator(".probes td > span[lang]").evaluate_all(texts)
    assert set(answers) == {HOSTILE[1]}
    assert page.title().startswith("Resumen")
    assert page.locator("body script").count() == 2  # ours
    assert page.locator("img, iframe, textarea").count() == 0
