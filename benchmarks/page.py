"""The report's page at MLSUM's size: 13,920 articles × 14 systems, in a real browser.

    python -m benchmarks.page               a minute or two
    python -m benchmarks.page --share 0.05  the same in small, to see that it works

Takes the committed run's page (`dvc repro` first) and puts made-up articles of MLSUM's length into its
explorer. Needs tests/requirements.txt and a chromium on the PATH.
"""

import shutil
import statistics
import tempfile
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.harness.results import say
from benchmarks.harness.workload import articles
from resumen.page.explorer import as_script, explorer, measures_shown
from resumen.page.templates import filled_in
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from resumen.sources.mlsum import MLSUM_ROWS
from resumen.text.sentences import sentences
from stages.report import page_values

NUM_SYSTEMS = 14
ROUNDS = 9
LANGUAGE = "es"  # of the articles
SHOWN = "document.body.offsetHeight"  # lays the page out
SPENT = "performance.now() - start"
# What a reader does, and in which control; milliseconds from its event until the list shows it.
DEEDS = {
    "search": ("search", "value = 'alcald'"),
    "search again": ("search", "value = 'alcaldesa'"),
    "topic": ("topic", "selectedIndex = 1"),
    "sort by a score": ("sort", "selectedIndex = 3"),
    "sort by a difference": ("minus", "selectedIndex = 5"),
    "the other way round": ("descending", "checked = !at('descending').checked"),
    "another measure": ("measure", "selectedIndex = 2"),
}
RESET = "at('search').value = ''; at('topic').selectedIndex = 0;"  # before what is done in another control


def page_of(count: int) -> str:
    """Return the page with `count` made-up test articles."""
    draw, predictions, scores = Random(3), {}, {}
    rows: list[dict[str, Any]] = []
    for index, row in enumerate(articles(count, 5)):
        rows.append({**row, "id": f"test-{index}", "topic": f"topic-{index % 7}", "references": []})
    systems = [f"system-{number}" for number in range(NUM_SYSTEMS)]
    for system in systems:
        predictions[system] = [
            {
                "prediction": " ".join(sentences(row["text"])[:2]),
                "truncated": False,
                "spelled_reference": row["summary"],
            }
            for row in rows
        ]
        scores[system] = {
            measure: [100 * draw.random() for _ in rows] for measure in measures_shown(LANGUAGE)
        }
    held = explorer(rows, predictions, scores, LANGUAGE) | {"marks": {}, "language": LANGUAGE}
    values = page_values(read_params()) | {"explorer": as_script(held), "every": held["every"]}
    return filled_in("report.html.j2", values)


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.page --share 0.05")
    arguments.add_argument("--share", type=float, default=1.0, help="of MLSUM's test articles (default: 1)")
    share = arguments.parse_args().share
    try:
        sync_playwright = import_module("playwright.sync_api").sync_playwright
    except ModuleNotFoundError as error:
        raise InputError("playwright: not installed; `pip install -r tests/requirements.txt`") from error
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise InputError("chromium: not on the PATH; on Debian `apt install chromium`")
    count = round(share * MLSUM_ROWS["es"]["test"])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(page_of(count), encoding="utf-8")
        say(f"{count} articles × {NUM_SYSTEMS} systems: {file.stat().st_size / 1e6:.1f} MB")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        painted = []
        for _ in range(3):
            page.goto(file.as_uri())
            painted.append(page.evaluate("performance.getEntriesByType('paint').at(-1).startTime"))
        say(f"first paint: {statistics.median(painted):.0f} ms")
        for deed, (control, script) in DEEDS.items():
            event = f"at('{control}').dispatchEvent(new Event('input', {{ bubbles: true }}))"
            done = f"{RESET} at('{control}').{script}; const start = performance.now(); {event}"
            timed = f"() => {{ {done}; {SHOWN}; return {SPENT}; }}"
            milliseconds = sorted(page.evaluate(timed) for _ in range(ROUNDS))
            say(f"{deed:<22} {statistics.median(milliseconds):.0f} ms ({milliseconds[-1]:.0f} at most)")
        browser.close()


if __name__ == "__main__":
    run(main)
