"""The notebook, from top to bottom, in a scaled-down clone in which all has run."""

import re
from html import unescape

import pytest

from tests.helpers.clone import add_programs, environment
from tests.helpers.paths import ROOT

REASON = "needs tests/requirements.txt"
nbclient = pytest.importorskip("nbclient", reason=REASON)
nbformat = pytest.importorskip("nbformat", reason=REASON)  # nbclient needs it
pytest.importorskip("ipykernel", reason=REASON)


@pytest.fixture(scope="module")
def outputs(clone) -> dict[str, str]:
    """What each code cell of the notebook showed, by the cell's id."""
    add_programs(clone)
    notebook = nbformat.read(ROOT / "docs/tutorials/resumen.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=1200, resources={"metadata": {"path": str(clone / "docs/tutorials")}}
    )
    client.execute(env=environment())
    return {
        cell["id"]: "".join(
            output.get("text") or "".join(output["data"].get(kind, "") for kind in ("text/html", "image/png"))
            for output in cell["outputs"]
        )
        for cell in notebook.cells
        if cell["cell_type"] == "code"
    }


def test_no_command_of_a_cell_fails(outputs):
    faults = {name: text for name, text in outputs.items() if re.search(r"(?i)\berror\b|not found", text)}
    assert {name: text for name, text in faults.items() if name != "page"} == {}
    assert {name: text for name, text in outputs.items() if "locale" in text and name != "page"} == {}


def test_the_table_of_systems_is_printed(outputs):
    assert "params.yaml is fine: profile mini" in outputs["check"]
    assert re.search(r"^finetuned +\d+,\d\d ", outputs["results"], re.MULTILINE)


def test_the_frame_holds_the_report_and_its_links_stay_inside(outputs, clone):
    (held,) = re.findall(r'<iframe srcdoc="([^"]*)"', outputs["page"])
    report = (clone / "reports/report.html").read_text(encoding="utf-8")
    assert unescape(held).count('<base href="about:srcdoc">') == 1
    assert unescape(held).replace('<base href="about:srcdoc">', "") == report


def test_the_letters_are_lost_and_taught(outputs):
    before, after = outputs["tokenizers"].split("models/finetuned")
    assert "<unk>" in before
    assert "Ganó Espaa?" in before
    assert "<unk>" not in after
    assert "¿Ganó España?" in after
    assert "<unk:" in outputs["show"]


def test_the_chart_is_drawn_of_points(outputs):
    pytest.importorskip("matplotlib", reason=REASON)
    means = [float(mean) for mean in re.findall(r"<td>([\d.]+)</td>", outputs["chart"])]
    assert len(means) >= 8
    assert 20 < max(means) <= 100
    assert "iVBOR" in outputs["chart"]  # how a PNG begins in base64


def test_the_verdict_is_printed_and_the_values_are_those_before(outputs, clone):
    assert "voraz → haces" in outputs["compare"]
    assert re.search(r"\b(mejor|peor|no se puede decir)\b", outputs["compare"])
    assert "num_beams: 1 " in (clone / "params.yaml").read_text(encoding="utf-8")
