"""Arrow: its threads get no file of Python's, since one that holds it at the end takes the process along.

https://github.com/apache/arrow/issues/34314
"""

import json
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resumen.schema.rows import RAW, open_parquet, read_table
from resumen.sources import hubfiles
from resumen.sources.userfiles import read_user_rows
from resumen.tools.articles import articles_of
from resumen.tools.show import main as show
from tests.conftest import run_every_stage
from tests.helpers.paths import ROOT

TEST = Path("data/raw/test.parquet")


@pytest.fixture
def native_alone(monkeypatch):
    """A ParquetFile that refuses what is no file of Arrow's own."""
    begin, sources = pq.ParquetFile.__init__, []

    def checked(self, source, **options):
        assert isinstance(source, pa.NativeFile), source
        assert not isinstance(source, pa.PythonFile), source
        sources.append(source)
        begin(self, source, **options)

    monkeypatch.setattr(pq.ParquetFile, "__init__", checked)
    return sources


def test_every_stage_and_tool_lets_arrow_open_its_files(small_run, runs, native_alone, capsys):
    run_every_stage(runs)
    runs(show, "test-1", "--json")
    assert json.loads(capsys.readouterr().out)["id"] == "test-1"
    assert len(native_alone) > 20
    assert next(read_user_rows([TEST], {"text": "text", "summary": "summary"}, ","))[2]["text"]
    assert next(articles_of([TEST], ["text"])).values["text"]
    assert next(hubfiles.hub_rows([str(TEST)], 1, {"text": "text", "summary": "summary"}))["text"]


def test_a_file_of_arrows_own_is_opened_in_no_other_place():
    places = {
        str(path.relative_to(ROOT))
        for folder in ("resumen", "stages")
        for path in (ROOT / folder).rglob("*.py")
        if "ParquetFile(" in path.read_text(encoding="utf-8")
    }
    assert places == {"resumen/schema/rows.py", "resumen/sources/hubfiles.py"}


def test_the_hubs_file_which_is_pythons_is_read_in_the_thread_that_asks(small_run, monkeypatch):
    threads = set()

    class Remote:
        """A file of the hub's file system."""

        def __init__(self, path):
            self.file, self.size = path.open("rb"), path.stat().st_size

        def __getattr__(self, name):
            threads.add(threading.current_thread())
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

    class Hub:
        def open(self, path, block_size):
            return Remote(TEST)

    monkeypatch.setattr(hubfiles, "HfFileSystem", Hub)
    columns = {"text": "text", "summary": "summary"}
    rows = list(hubfiles.hub_rows(["hf://datasets/a/b/test.parquet"], None, columns))
    assert [row["text"] for row in rows] == [row["text"] for row in read_table(TEST, ["text"])]
    assert threads == {threading.main_thread()}


def test_what_is_read_is_what_was_written(small_run):
    with open_parquet(TEST) as file:
        assert file.schema_arrow.names == RAW.names
        assert file.read(["id"]).num_rows == 4
