"""The page in a real browser: it asks nobody for anything, finds and sorts, runs nothing that it shows."""

import json
import re
import shutil
from html import escape
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


KEPT = 500  # ms, after which the page has put into its address what was chosen
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
def opened(chromium, small_run, runs):
    """Open the report from disk, in a browser of a language; what it logs or asks for is kept."""
    if not Path("reports").exists():
        runs(main)
    contexts, said, asked = [], [], []

    def open_page(locale="en-GB", address="", **options):
        context = chromium.new_context(viewport={"width": 1100, "height": 900}, locale=locale, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(Path("reports/report.html").resolve().as_uri() + address)
        return page

    yield open_page
    assert said == []
    assert [url for url in asked if not url.startswith("file:")] == []
    for context in contexts:
        context.close()


@pytest.fixture
def page(opened):
    """The report as a reader of English opens it."""
    return opened()


def ids(page):
    return [text.split(" · ")[0] for text in page.locator("#list li").all_inner_texts()]


def number(text):
    """Return the number that an entry of the list begins with."""
    return float(text.split(" · ")[0].replace("−", "-"))


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
    page.select_option("#sort", label="lead-3")
    page.check("#descending")
    shown = page.locator("#list li").all_inner_texts()
    values = [number(text) for text in shown]
    assert values == sorted(scores["lead-3"].values(), reverse=True)
    page.select_option("#minus", label="lead-1")
    shown = [text.split(" · ")[:2] for text in page.locator("#list li").all_inner_texts()]
    for value, name in shown:
        assert number(value) == pytest.approx(scores["lead-3"][name] - scores["lead-1"][name], abs=0.11)
    assert [number(value) for value, _ in shown] == sorted(
        (number(value) for value, _ in shown), reverse=True
    )


def test_topics_and_lengths_filter(page):
    rows = list(read_table(Path("data/raw/test.parquet"), ["id", "text", "topic"]))
    page.select_option("#topic", rows[0]["topic"])
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


def test_the_list_is_one_tab_stop_that_arrow_keys_go_through(page):
    assert page.locator("#list [tabindex='0']").count() == 1
    page.locator("#minus").focus()
    for _ in range(2):  # past the box of the order
        page.keyboard.press("Tab")
    focused = "document.activeElement.textContent.split(' · ')[0]"
    names = ids(page)
    assert page.evaluate(focused) == names[0]
    for key, name in (
        ("ArrowDown", names[1]),
        ("End", names[-1]),
        ("ArrowUp", names[-2]),
        ("Home", names[0]),
    ):
        page.keyboard.press(key)
        assert page.evaluate(focused) == name
        assert page.locator("#article h3").inner_text().startswith(name)
        assert page.locator("#list [aria-selected='true']").inner_text().startswith(name)
        assert page.locator("#list [tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#list')") is None


def test_the_skip_link_leads_to_the_answer(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator("main, header").count() == 2


LOCALES = [("es-ES", "es", ","), ("es-MX", "es", "."), ("en-GB", "en", "."), ("de-DE", "en", ".")]


@pytest.mark.parametrize(("locale", "language", "sign"), LOCALES)
def test_the_page_speaks_the_language_of_the_browser_and_writes_its_numbers(opened, locale, language, sign):
    page = opened(locale)
    assert page.evaluate("document.documentElement.lang") == language
    assert page.locator("h1").inner_text().startswith({"en": "How much", "es": "¿Cuánto"}[language])
    value = page.locator(".tiles .value").first.inner_text()
    assert re.fullmatch(rf"[+−]\d+{re.escape(sign)}\d\d", value)
    page.evaluate(OPEN_ALL)
    page.evaluate("document.querySelectorAll('#article, #list, .mono, .probe, pre').forEach(n => n.remove())")
    text = page.locator("main").inner_text()
    assert len(re.findall(rf"\d{re.escape(sign)}\d", text)) > 100
    assert re.findall(r"\d[.,]\d", re.sub(rf"\d{re.escape(sign)}\d", "", text)) == []
    labels = " ".join(page.locator("svg:visible").evaluate_all("all => all.map(one => one.ariaLabel)"))
    assert re.search(rf"\d{re.escape(sign)}\d", labels)


@pytest.mark.parametrize(
    ("count", "english", "spanish"), [(8800, "8,800", "8800"), (12000, "12,000", "12\u202f000")]
)
def test_thousands_are_grouped_as_each_language_does(page, count, english, spanish):
    assert page.evaluate(f"grouped({count})") == english
    page.click("text=Español")
    assert page.evaluate(f"grouped({count})") == spanish


def test_what_is_chosen_stands_in_the_address_and_a_link_opens_there(opened):
    page = opened("en-GB")
    rows = list(read_table(Path("data/raw/test.parquet"), ["id", "topic"]))
    name = rows[2]["id"]
    page.click("text=Español")
    page.select_option("#sort", "finetuned")
    page.select_option("#measure", "chrf")
    page.check("#descending")
    page.locator(f"#list li:has-text('{name} ')").click()
    page.wait_for_timeout(KEPT)
    address = page.evaluate("location.hash")
    expected = {"lang=es", f"id={name}", "measure=chrf", "sort=finetuned", "order=descending"}
    assert set(address.removeprefix("#").split("&")) == expected
    order = ids(page)
    other = opened("en-GB", address)
    assert other.locator("h1").inner_text().startswith("¿Cuánto")
    assert other.locator("#article h3").inner_text().startswith(name)
    assert ids(other) == order
    assert other.locator("#article").evaluate("node => node.getBoundingClientRect().top") < 900
    other.reload()
    assert other.locator("h1").inner_text().startswith("¿Cuánto")


@pytest.mark.parametrize(
    "address", ["#lang=xx&id=none&sort=none&topic=none", "#nothing", "#%E0=%A4", "#=&&="]
)
def test_an_address_of_what_is_not_there_opens_the_page_as_it_is(opened, address):
    page = opened("es-ES", address)
    assert page.locator("h1").inner_text().startswith("¿Cuánto")
    assert ids(page)
    assert page.locator("#article h3").inner_text().startswith(ids(page)[0])


def test_a_link_of_the_contents_keeps_what_is_chosen(opened):
    page = opened("en-GB", "#lang=es&sort=finetuned")
    page.click(".contents a[href='#probes']")
    page.wait_for_timeout(KEPT)
    assert page.evaluate("location.hash") == "#lang=es&sort=finetuned&at=probes"
    assert abs(page.locator("#probes").evaluate("node => node.getBoundingClientRect().top")) < 450
    assert page.evaluate("document.activeElement.id") == "probes"


def test_a_frame_such_as_the_notebooks_speaks_the_readers_language_and_keeps_what_is_chosen(opened):
    page = opened("es-ES")
    report = Path("reports/report.html").read_text(encoding="utf-8")
    inside = escape(report.replace("<head>", '<head><base href="about:srcdoc">'))
    page.set_content(f'<iframe srcdoc="{inside}" width="100%" height="800"></iframe>')
    frame = page.frames[1]
    frame.select_option("#sort", "finetuned")
    frame.click(".contents a[href='#probes']")
    page.wait_for_timeout(KEPT)
    assert frame.locator("h1").inner_text().startswith("¿Cuánto")
    assert re.fullmatch(r"about:srcdoc#lang=es&id=test-\d+&sort=finetuned&at=probes", frame.url)


def test_the_way_back_from_a_part_of_the_page_is_the_browsers(opened):
    page = opened("en-GB")
    page.click(".contents a[href='#probes']")
    page.click(".contents a[href='#data']")
    page.go_back()
    assert page.evaluate("location.hash") == "#lang=en&at=probes"
    assert abs(page.locator("#probes").evaluate("node => node.getBoundingClientRect().top")) < 450


def test_a_choice_after_a_part_of_the_page_is_where_a_link_opens(opened):
    page = opened("en-GB")
    page.click(".contents a[href='#systems']")
    page.locator("#list li").nth(2).click()
    page.wait_for_timeout(KEPT)
    assert page.evaluate("location.hash") == f"#lang=en&id={ids(page)[2]}"


def test_another_language_leaves_list_and_article_as_they_are(page):
    page.fill("#search", ids(page)[0])
    page.locator("#faults .wide a[data-place]").last.click()
    name = page.locator("#article h3").inner_text().split(" · ")[0]
    page.click("text=Español")
    assert page.locator("#article h3").inner_text().startswith(name)


def test_an_article_that_is_not_there_is_said(opened):
    page = opened("es-ES", "#lang=es&id=test-99999")
    assert page.locator("#count").inner_text().endswith("no hay ningún artículo test-99999")


def test_dvcs_plots_are_drawn_without_a_network(opened, chromium, small_run):
    opened()  # the report stage has run
    spec = {"mark": "bar", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}}
    template = Path("reports/plots.html").read_text(encoding="utf-8")
    plot = f"<div id=a></div><script>vegaEmbed('#a', {json.dumps(spec)})</script>"
    filled = template.replace("{plot_divs}", plot).replace("{refresh_tag}", "")
    Path("plots.html").write_text(filled, encoding="utf-8")
    context = chromium.new_context(offline=True)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(Path("plots.html").resolve().as_uri())
    page.wait_for_selector("#a svg, #a canvas")
    assert [url for url in asked if not url.startswith("file:")] == []
    context.close()


def test_topics_have_their_accents(page):
    data = json.loads(page.locator("#explorer-data").inner_text())
    assert {"economia": "economía", "politica": "política"}.items() & data["topics"].items()
    topics = page.locator("#topic option").all_inner_texts()
    assert set(data["topics"].values()) < set(topics)
    assert not set(data["topics"]) & set(topics)


def test_a_word_that_lost_its_letters_is_marked_as_such_and_not_as_invented(page):
    known = "new Set(['las', 'guarderías', 'de', 'íñigo'])"
    spoilt = "spoiltWords('Las guarderías de Íñigo', 'íñÍ')"
    shown = "mark => [mark.textContent, mark.className, mark.title]"
    marks = f"node => [...node.querySelectorAll('mark')].map({shown})"
    output = page.evaluate(f"({marks})(marked('Las guarderas de igo y Zenobia', {known}, {spoilt}))")
    title = "without the letters that it loses: "
    assert output == [
        ["guarderas", "lost", f"{title}guarderías"],
        ["igo", "lost", f"{title}Íñigo"],
        ["y", "", ""],
        ["Zenobia", "", ""],
    ]


def test_axe_finds_nothing(opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs tests/requirements.txt")
    for width, scheme in ((390, "dark"), (1440, "light")):
        page = opened("es-ES", color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(OPEN_ALL)
        violations = axe.Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


# What of the charts that are seen is outside the figure or the screen, and how small their letters are.
MARKS = """() => {
  const figures = [...document.querySelectorAll("figure")].filter((figure) => figure.checkVisibility());
  const outside = [], sizes = [];
  for (const figure of figures) {
    const box = figure.getBoundingClientRect();
    for (const mark of figure.querySelectorAll("svg path, svg text, svg line, svg rect")) {
      const { left, right, width, height } = mark.getBoundingClientRect();
      if (!mark.checkVisibility() || !(width || height)) continue;
      const drawing = mark.ownerSVGElement.getBoundingClientRect(); // what is outside is not drawn
      const most = Math.min(drawing.right, box.right, innerWidth) + 1;
      const isInside = left >= drawing.left - 1 && right <= most;
      if (!isInside) outside.push([mark.textContent, left, right]);
    }
    for (const svg of [...figure.querySelectorAll("svg")].filter((one) => one.checkVisibility())) {
      const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const texts = [...svg.querySelectorAll("text")];
      sizes.push(...texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale));
    }
  }
  return { figures: figures.length, outside, least: Math.min(...sizes) };
}"""


@pytest.mark.parametrize("width", [390, 768, 1440])
@pytest.mark.parametrize("locale", ["es-ES", "en-GB"])
def test_every_mark_of_every_chart_is_inside_the_screen_and_its_letters_are_read(opened, width, locale):
    page = opened(locale)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(OPEN_ALL)
    seen = page.evaluate(MARKS)
    assert seen["figures"] >= 5
    assert seen["outside"] == []
    assert seen["least"] >= 11
    assert page.evaluate(SCROLLED, ".cross .wide, #faults .wide") == []
    assert page.evaluate(SCROLLED, "#probes .wide, #probes .answers, #probes .probe") == []


def test_the_page_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SCROLLED, "#article .wide") == []
    # the first columns of the table of systems are its name, and ROUGE-L with its interval, and they are seen
    right = page.evaluate(
        "document.querySelector('#systems .wide td:nth-child(2)').getBoundingClientRect().right"
    )
    assert right <= 390


@pytest.mark.parametrize("locale", ["es-ES", "en-GB"])
def test_the_page_fits_a_desk(opened, locale):
    page = opened(locale)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate(SCROLLED, ".wide") == []


@pytest.mark.parametrize("millimetres", [210 - 24, 297 - 24])  # A4 less the margins, upright and across
def test_what_is_printed_is_whole(page, millimetres):
    width = int(millimetres / 25.4 * 96)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = page.locator("table, svg").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().right)"
    )
    assert max(right) <= width
    assert page.evaluate(SCROLLED, ".wide, figure") == []
    styles = page.locator(".wide").evaluate_all("nodes => nodes.map(n => getComputedStyle(n).overflowX)")
    assert set(styles) == {"visible"}


@pytest.mark.parametrize("locale", ["es-ES", "en-GB"])
def test_ten_pages_are_printed_at_most(opened, locale):
    printed = opened(locale).pdf(prefer_css_page_size=True)
    assert 3 <= len(re.findall(rb"/Type /Page\b", printed)) <= 10


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
    assert set(page.locator("#list li").evaluate_all("nodes => nodes.map(node => node.lang)")) == {"es"}
    assert page.locator(".answers dd[lang]").count() > 20


def test_a_link_to_an_article_opens_it(page):
    link = page.locator("#faults .wide a[data-place]").last
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
    assert "finetuned" in heads
    assert "gpt (foreign)" in page.locator("#sort option").all_inner_texts()
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
        option = page.locator("#list li").nth(index)
        assert option.evaluate("node => node.textContent") == f"{name} · {reference}"
        option.click()
        assert page.locator("#article .text").evaluate("node => node.textContent") == text
        assert (
            page.locator("#article h3")
            .evaluate("node => node.textContent")
            .startswith(f"{name} · {text[:100]}")
        )
        shown = page.locator("#article td:not(.n) > span").evaluate_all(texts)
        assert shown == [reference] * 2 + [text] * systems  # the reference, how it is spelled, each system
        assert text[:100] in topics
    answers = page.locator(".answers dd").evaluate_all(texts)
    assert set(answers) == {HOSTILE[1]}
    assert page.title().startswith("Resumen")
    assert page.locator("body script").count() == 2  # ours
    assert page.locator("img, iframe, textarea").count() == 0
