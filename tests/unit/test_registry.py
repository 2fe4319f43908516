"""The registry: a measure that is added to it alone is scored, tabled, shown and compared."""

import json
from pathlib import Path

import pandas as pd
import pytest

from resumen.page.explorer import tenths
from resumen.page.table import markdown_table, system_rows, text_table
from resumen.runtime.jsonfiles import read_json
from resumen.schema.params import read_params
from resumen.scoring.registry import MEASURES, Measure, metric_of
from resumen.tools import compare
from resumen.tools.compare import Scored
from stages.evaluate import main as evaluate
from stages.report import main as report
from tests.helpers.paths import ROOT

VOWELS = Measure(
    of=lambda summary: sum(summary.text.count(vowel) for vowel in "aeiou") / max(len(summary.text), 1),
    unit="share",
    better="lower",
    en="vowels",
    es="vocales",
    shown_in="tables",
)


@pytest.fixture
def added(small_run, runs, monkeypatch):
    monkeypatch.setitem(MEASURES, "vowels", VOWELS)
    runs(evaluate)
    runs(report)


def values_of(system):
    rows = read_json(Path("metrics/evaluation.json"))["systems"]
    return next(row["values"] for row in rows if row["system"] == system)


def test_a_measure_that_is_added_is_scored_and_stands_in_the_metrics(added):
    scores = pd.read_parquet("data/scores.parquet")
    mean = scores[scores["system"] == "lead-3"]["vowels"].mean()
    assert 0.2 < mean < 0.6
    assert values_of("lead-3")["vowels_pct"] == round(100 * mean, 2)


def test_a_measure_that_is_added_stands_in_the_tables(added):
    rows = system_rows(read_params(), read_json(Path("metrics/evaluation.json")))
    value = f"{values_of('lead-3')['vowels_pct']:.2f}"
    for table in (markdown_table(rows, "en"), text_table(rows, "en")):
        assert "vowels %" in table
        assert value in next(line for line in table.splitlines() if "lead-3" in line)


def test_a_measure_that_is_added_stands_on_the_page_in_both_languages(added):
    page = Path("reports/report.html").read_text(encoding="utf-8")
    head = page[page.index('id="systems"') : page.index('id="differences"')]
    assert '<span class="t" lang="en">vowels %</span><span class="t" lang="es">vocales (%)</span>' in head
    data = json.loads(page.split('id="explorer-data">')[1].split("</script>")[0])
    index = data["measures"].index({"key": "vowels", "en": "vowels %", "es": "vocales (%)"})
    scores = pd.read_parquet("data/scores.parquet")
    wanted = scores[scores["system"] == data["systems"][0]]["vowels"]
    assert data["scores"][index][0] == tenths(wanted, is_share=True)


def test_a_measure_that_is_added_is_compared_in_its_unit_and_direction(added, runs, monkeypatch, capsys):
    after = pd.read_parquet("data/scores.parquet")
    before = after.assign(vowels=after["vowels"] - 0.05)
    runs_of = {"HEAD": Scored("HEAD", before, []), "workspace": Scored("workspace", after, [])}
    monkeypatch.setattr(compare, "read_scored", runs_of.get)
    runs(compare.main, "HEAD", "--measure", "vowels", "--system", "lead-3")
    line = capsys.readouterr().out.splitlines()[1]
    assert "+5.00 (" in line
    assert line.endswith(": worse")


def test_every_measure_has_what_a_reader_needs():
    assert all(measure.en.strip() for measure in MEASURES.values())
    for language in ("en", "es"):
        labels = [getattr(measure, language) for measure in MEASURES.values()]
        assert len(set(labels)) == len(labels)
    names = [metric_of(name) for name in MEASURES]
    assert len(set(names)) == len(names)


def test_the_script_of_the_page_names_no_measure():
    script = (ROOT / "resumen/page/report.js").read_text(encoding="utf-8")
    assert [name for name in MEASURES if name in script] == []
