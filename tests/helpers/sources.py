"""A hub that serves miniatures under the names and at the commits of params.yaml, and MLSUM in small."""

import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resumen.news.stories import stories
from resumen.runtime.jsonfiles import read_json
from resumen.schema.params import read_yaml
from tests.helpers.clone import KEPT_CHECKPOINTS, ran, run
from tests.helpers.hub import Hub
from tests.helpers.paths import ROOT

CHECKPOINTS = read_yaml(ROOT / "params.yaml")["checkpoints"]
ROWS = {"train": 24, "validation": 6, "test": 6}


def serve_mlsum(hub: Hub, folder: Path) -> None:
    """Let `hub` have MLSUM es, made up and small, in the layout of the real one."""
    files, output = {}, iter(stories(sum(ROWS.values()), 4_242))
    for split, count in ROWS.items():
        rows = [next(output) for _ in range(count)]
        columns = {
            "text": [" ".join([story.text] * 6) for story in rows],  # about as long as MLSUM's
            "summary": [story.summary for story in rows],
            **{name: [""] * count for name in ("topic", "url", "title", "date")},
        }
        files[f"es/{split}/0000.parquet"] = path = folder / f"{split}.parquet"
        pq.write_table(pa.table(columns), path)
    hub.add("reciTAL/mlsum", "b" * 40, files, kind="datasets", branch="refs/convert/parquet")


def environment(clone: Path, hub: Hub) -> dict[str, str]:
    """Return what the clients need to take `hub` for the real one, beside a clone."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(clone.parent / "huggingface"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def commands(beginning: str) -> list[str]:
    """Return the commands of docs/how-to/mlsum.md that begin so, comments off, continued lines joined."""
    text = (ROOT / "docs/how-to/mlsum.md").read_text(encoding="utf-8").replace("\\\n", " ")
    result = re.findall(rf"^{re.escape(beginning)}.*", text, re.MULTILINE)
    return [re.sub(r"\s+#.*", "", command) for command in result]


def runs_as_documented(profile: str, clone: Path, hub: Hub) -> None:
    """Run the page's command of a profile of MLSUM, and hold what comes of it against what `hub` has."""
    (command,) = commands(f"dvc exp run -S profile={profile}")
    message = run(clone, *shlex.split(command), **environment(clone, hub))
    assert {
        "fetch",
        "tokenize@flan-small",
        "finetune@flan-small",
        "generate@finetuned",
        "evaluate",
        "report",
    } <= ran(message)
    data = read_json(clone / "metrics/data.json")
    assert data["provenance"][0]["commit"] == "b" * 40
    assert [row["kept"] for row in data["splits"]] == list(ROWS.values())
    for name in KEPT_CHECKPOINTS:
        provenance = read_json(clone / f"models/pretrained/{name}/provenance.json")
        assert (provenance["repo"], provenance["commit"]) == tuple(CHECKPOINTS[name].values())
    page = (clone / "reports/report.html").read_text(encoding="utf-8")
    assert "google/flan-t5-small" in page
    assert "stand-in" not in page.lower()
    run(clone, "git", "checkout", "--quiet", ".")
