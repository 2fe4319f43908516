"""The README, the tutorials and the how-to pages: their commands, in their order, in a scaled-down clone."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.clone import add_programs, copied, run
from tests.helpers.docs import blocks, logical_lines, text_of_page
from tests.helpers.paths import ROOT
from tests.helpers.sweep import statuses

PAGES = (  # of the others, every command needs another machine, a hub or hours
    "README.md",
    "README.es.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/tutorials").glob("*.md")),
    "docs/es/ejercicios.md",
    "docs/es/guia-docente.md",
    "docs/es/primera-sesion.md",
    *(f"docs/how-to/{name}.md" for name in ("dvc", "experiments", "files", "prompts", "publish", "systems")),
)
SKIPPED = {  # how a line begins that is not run, and why
    r"git clone\b": "needs a network; the test has its clone",
    r"cd ": "the test is in its clone",
    r"python3? -m venv\b": "installs; the environment of the tests is used",
    r"(\S*/)?(python3? -m )?pip (install|wheel)\b": "installs or downloads, from a network",
    r"make (browser|servers|try|docs|bench|test\S*|miniatures)\b": "installs, or takes hours",
    r"pytest\b": "runs these tests",
    r".*\b(t5-small|flan-large)\b": "of a checkpoint that the scaled-down clone leaves out",
    r"dvc exp run -n mitad\b|resumen compare HEAD mitad\b": "trains on more articles than the clone has",
    r"resumen compare seed-13,": "of what `resumen seeds` makes",
    r"resumen publish --to me/|dvc artifacts get https": "needs a network",
    r".*\b(weights=hub|repo=)": "needs the hub",
    r"dvc (push|pull|fetch)\b|dvc exp (push|pull)\b|git (push|pull|fetch)\b": "needs a remote",
    r"dvc (import|import-url|get|get-url)\b": "needs a network",
    r"(dvc exp run|resumen) .*profile=(course|mlsum|hub)\b": "needs the hub, and hours",
    r"resumen (seeds|curve)\b": "trains every fine-tuning several times; test_queue.py runs it",
    r"resumen playground\b": "serves a page until it is stopped",
    r"(hf|huggingface-cli) ": "needs the hub",
    r"\w+=.* --node-rank|ssh ": "needs another machine",
}


def reason_to_skip(line: str) -> str:
    """Return why a line of a tutorial is not run, or "".

    >>> reason_to_skip("git clone https://example.org/x.git"), reason_to_skip("dvc repro")
    ('needs a network; the test has its clone', '')
    """
    return next((why for beginning, why in SKIPPED.items() if re.match(beginning, line.strip())), "")


def write_files(clone: Path) -> None:
    """Write the files of a user that pages speak of, of the articles of the clone itself."""
    names = ("train", "validation", "test")
    splits = {
        name: pd.read_parquet(clone / f"data/raw/{name}.parquet")[["id", "text", "summary"]] for name in names
    }
    rows, data = pd.concat(splits.values()), clone / "data"
    rows.assign(Fuente=rows["text"], Resumen=rows["summary"]).to_csv(data / "mine.csv", index=False)
    headings = {"id": "Código", "text": "Cuerpo de la nota", "summary": "Título (año)"}
    rows.rename(columns=headings).to_csv(data / "noticias.csv", index=False, sep=";")
    (data / "noticias").mkdir()
    for name, split in splits.items():
        split.rename(columns=headings).to_csv(data / f"noticias/{name}.csv", index=False, sep=";")
    with (data / "mine.jsonl").open("w", encoding="utf-8") as file:
        for row in rows.itertuples():
            turns = [{"role": "user", "content": row.text}, {"role": "assistant", "content": row.summary}]
            file.write(json.dumps({"turnos": turns}, ensure_ascii=False) + "\n")
    answers = splits["test"].rename(columns={"summary": "prediction"})
    answers[["id", "prediction"]].to_json(data / "gpt.jsonl", orient="records", lines=True)
    (clone / "articles").mkdir()
    for path in ("news.txt", "book.txt", "articles/one.txt"):
        (clone / path).write_text(rows["text"].iloc[0], encoding="utf-8")
    rows[["id", "text"]].to_csv(clone / "more.csv", index=False)


@pytest.fixture
def installed(finished_run, tmp_path) -> Path:
    """A clone in which all has run, with what `make` and an activated environment look for."""
    clone = copied(finished_run, tmp_path / "resumen")
    add_programs(clone)
    write_files(clone)
    return clone


def make_experiments(clone: Path, page: str) -> None:
    """Run the experiments of a user that a page speaks of."""
    for name, beams in (("one-run", 2), ("a-run", 2), ("another-run", 3)):
        if re.search(rf"\b{name}\b", text_of_page(page)):
            run(clone, "dvc", "exp", "run", "-n", name, "-S", f"generate.num_beams={beams}")
            run(clone, "git", "checkout", "HEAD", ".")
            run(clone, "dvc", "checkout", "--force")


@pytest.mark.skipif(not shutil.which("bash") or not shutil.which("make"), reason="needs bash and make")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_in_their_order(installed, page):
    programs = [str(installed / ".venv/bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    lines = [
        found
        for block in blocks(text_of_page(page))
        if block.language == "sh"
        for found in logical_lines(block)
    ]
    make_experiments(installed, page)
    done = 0
    for number, line in lines:
        if reason_to_skip(line):
            continue
        try:
            run(installed, "bash", "-e", "-o", "pipefail", "-c", line, PATH=os.pathsep.join(programs))
        except AssertionError as error:
            raise AssertionError(f"{page}:{number}: {error}") from error
        if "dvc queue start" in line:
            assert set(statuses(installed)) <= {"Success"}, f"{page}:{number}"
        done += 1
    assert done > 1
