"""Files: whole or absent, equal rows equal bytes, damage noticed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write, remove_orphans, require_space, write_text
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.schema.jsonl import numbered_jsonl, read_jsonl, write_jsonl
from resumen.schema.rows import (
    CONVERSATIONS,
    RAW,
    ROWS_PER_GROUP,
    column_names,
    load_table,
    num_rows,
    read_table,
    write_table,
)
from tests.helpers.paths import ROOT

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
ROWS = [{"id": str(number), "text": f"España, año {number}.\n«Sí»"} for number in range(50)]


def rows_then_an_error():
    yield ROWS[0]
    raise RuntimeError("in the middle")


WRITERS = {
    "rows.jsonl": lambda path: write_jsonl(path, rows_then_an_error()),
    "rows.parquet": lambda path: write_table(path, rows_then_an_error(), SCHEMA),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("before", [None, b"what was there"])
def test_an_error_leaves_nothing_and_keeps_what_was_there(tmp_path, name, before):
    path = tmp_path / "data" / name
    if before is not None:
        path.parent.mkdir()
        path.write_bytes(before)
    with pytest.raises(RuntimeError, match="in the middle"):
        WRITERS[name](path)
    left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert left == ({} if before is None else {name: before})


def test_a_folder_appears_whole_or_keeps_what_was_there(tmp_path):
    folder = tmp_path / "out"
    with atomic_write(folder) as partial:
        partial.mkdir()
        write_text(partial / "a.txt", "uno")
        assert not folder.exists()
    with pytest.raises(RuntimeError), atomic_write(folder) as partial:  # noqa: PT012
        partial.mkdir()
        write_text(partial / "b.txt", "dos")
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    with atomic_write(folder) as partial:
        partial.mkdir()
        write_text(partial / "c.txt", "tres")
    assert [path.name for path in folder.iterdir()] == ["c.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial/half").write_text("half")
    write_json(tmp_path / "out", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_text_and_json_are_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "año\nsí\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "año\nsí\r\n".encode()
    write_json(tmp_path / "a.json", {"z": "año", "a": [1]})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "z": "año",\n  "a": [\n    1\n  ]\n}\n'.encode()
    assert read_json(tmp_path / "a.json") == {"z": "año", "a": [1]}


def test_rows_come_back_as_they_were(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert list(read_jsonl(tmp_path / "rows.jsonl", ("id", "text"))) == ROWS
    assert write_table(tmp_path / "rows.parquet", ROWS, SCHEMA) == len(ROWS)
    assert list(read_table(tmp_path / "rows.parquet", ("id", "text"))) == ROWS
    assert load_table(tmp_path / "rows.parquet").to_pylist() == ROWS
    assert num_rows(tmp_path / "rows.parquet") == len(ROWS)


@pytest.mark.parametrize("count", [0, 1, ROWS_PER_GROUP, ROWS_PER_GROUP + 1])
def test_equal_rows_are_equal_bytes_however_many(tmp_path, count):
    for name in ("one", "two"):
        assert (
            write_table(tmp_path / name, ({"id": str(n), "text": "x"} for n in range(count)), SCHEMA) == count
        )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert num_rows(tmp_path / "one") == len(list(read_table(tmp_path / "one", ["id"]))) == count


def test_a_flipped_byte_in_a_page_is_found(tmp_path):
    path = tmp_path / "rows.parquet"
    write_table(path, ROWS, SCHEMA)
    content = path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    messages = []
    for index in range(start, start + column.total_compressed_size, 7):
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        try:
            assert list(read_table(path, ["id", "text"])) == ROWS  # a byte that means nothing
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > column.total_compressed_size / 7 / 2
    for message in messages:
        assert message.startswith(f"{path}: not readable as Parquet: ")
        assert "\n" not in message


@pytest.mark.parametrize("read", [load_table, num_rows, lambda path: list(read_table(path, ["id"]))])
def test_a_file_that_was_cut_or_is_missing_is_refused(tmp_path, read):
    path = tmp_path / "rows.parquet"
    with pytest.raises(InputError, match=r"rows\.parquet: not found; `dvc repro` makes what is missing"):
        read(path)
    write_table(path, ROWS, SCHEMA)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"rows\.parquet: not readable as Parquet"):
        read(path)


def test_a_column_that_is_not_there_is_named(tmp_path):
    write_table(tmp_path / "rows.parquet", ROWS, SCHEMA)
    with pytest.raises(InputError, match=r"rows\.parquet: lacks columns \['summary'\], has \['id', 'text'\]"):
        list(read_table(tmp_path / "rows.parquet", ["id", "summary"]))


BROKEN_LINES = [
    (b'{"id": 1}\n\nno\n', ":3: not JSON: Expecting value, got 'no'"),
    (b'{"id": 1}\n{"id": 2', ":2: not JSON: Expecting ',' delimiter"),
    (b'{"id": 1}\n[2]\n', ":2: expected an object a line, got '[2]'; if"),
    (b'{"id": 1}\n{"text": ""}\n', ":2: lacks ['id'], has ['text']"),
    (b'{"id": 1}\n{"id": ' + b"7" * 5_000 + b"}\n", ":2: not JSON: Exceeds the limit"),
    (b'{"id": 1}\n{"id": ' + b"[" * 100_000, ":2: not JSON: maximum recursion depth exceeded"),
    (b'{"id": 1}\n{"id": "\xf1"}\n', ":2: not UTF-8, got byte 0xf1; save the file as UTF-8 and try again"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_LINES, ids=range(len(BROKEN_LINES)))
def test_a_broken_line_is_named_after_the_good_ones(tmp_path, content, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    rows = read_jsonl(path, ["id"])
    assert next(rows) == {"id": 1}
    with pytest.raises(InputError) as error:
        next(rows)
    assert str(error.value).startswith(f"{path}{message}")


BROKEN_JSON = [
    (b"", "Expecting value"),
    (b'{"id": 1', "Expecting ',' delimiter"),
    (b'{"id": "a\xf1o"}', "'utf-8' codec can't decode byte 0xf1"),
    (b"7" * 5_000, "Exceeds the limit"),
    (b"[" * 100_000, "maximum recursion depth exceeded"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_JSON, ids=range(len(BROKEN_JSON)))
def test_a_file_that_is_not_json_is_named(tmp_path, content, message):
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_json(path)
    assert str(error.value).startswith(f"{path}: not JSON: {message}")
    assert "\n" not in str(error.value)


def test_orphans_are_removed_and_what_is_known_is_kept(tmp_path):
    for name in ("lead-3.jsonl", "gone.jsonl", "old.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    assert remove_orphans(tmp_path, ["lead-3", "not-yet"]) == [
        str(tmp_path / name) for name in ("folder", "gone.jsonl", "old.json")
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["lead-3.jsonl"]


def test_the_raw_columns_are_those_of_mlsum_and_an_id():
    assert RAW.names == ["id", "text", "summary", "title", "topic", "url", "date", "references"]
    assert CONVERSATIONS.names == [*RAW.names, "messages"]


def test_the_names_of_the_columns_are_read_from_the_footer(tmp_path):
    path = tmp_path / "rows.parquet"
    write_table(path, [], CONVERSATIONS)
    assert column_names(path) == CONVERSATIONS.names
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="not readable as Parquet"):
        column_names(path)
    with pytest.raises(InputError, match="not found; `dvc repro` makes what is missing"):
        column_names(tmp_path / "nowhere.parquet")


def test_lines_are_counted_with_the_empty_ones(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\n{"a": 1}\n\n\n{"a": 2}')
    assert list(numbered_jsonl(path, ["a"])) == [(2, {"a": 1}), (5, {"a": 2})]


def small_disk(size: str) -> bool:
    """Return whether a disk of so many bytes can be made here, for one process and unseen by others."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", "/mnt"]
    if not shutil.which("unshare"):
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_folder_takes_the_place_of_another_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out"
    for number in range(2):
        with atomic_write(path) as partial:
            partial.mkdir()
            (partial / f"{number}-a").write_text("a")
            (partial / f"{number}-b").write_text("b")
    assert sorted(file.name for file in path.iterdir()) == ["1-a", "1-b"]
    assert list(tmp_path.iterdir()) == [path]
    real = Path.replace

    def breaks(self, target):
        if self.name == "out.partial":
            assert not path.exists()  # no half of it, at any moment
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", breaks)
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as partial:
        partial.mkdir()
    assert sorted(file.name for file in path.iterdir()) == ["1-a", "1-b"]  # the old one, again
    assert list(tmp_path.iterdir()) == [path]


WRITE = {
    "a.parquet": "write_table(path, ({'id': f'{n * n}'} for n in range(10**7)), IDS)",
    "a.jsonl": "write_jsonl(path, ({'id': n} for n in range(10**7)))",
    "a.json": "write_json(path, 'x' * 10**6)",
    "folder": "write_folder(path)",
    "a.safetensors": "write_tensors(path)",
}
PROGRAM = """
import sys
from pathlib import Path
import pyarrow as pa
from resumen.runtime.cli import run
from resumen.runtime.files import *
from resumen.runtime.jsonfiles import *
from resumen.schema.jsonl import *
from resumen.schema.rows import *

IDS = pa.schema([("id", pa.string())])

def write_folder(path):
    with atomic_write(path) as partial:
        partial.mkdir()
        for n in range(9):
            (partial / str(n)).write_bytes(bytes(10**5))

def write_tensors(path):
    from safetensors.numpy import save_file
    import numpy
    with atomic_write(path) as partial:
        save_file({"a": numpy.zeros(10**6)}, partial)

path = Path("disk") / sys.argv[1]
run(lambda: eval(sys.argv[2]))
"""


@pytest.mark.skipif(not small_disk("1m"), reason="no disk of its own can be made here (unshare, mount)")
@pytest.mark.parametrize("name", WRITE)
def test_a_full_disk_is_named_with_what_is_needed_and_nothing_is_left(tmp_path, name):
    (tmp_path / "disk").mkdir()
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    mounted = (
        'mount -t tmpfs -o size=500k tmpfs disk && python program.py "$0" "$1"; code=$?; ls disk; exit $code'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, name, WRITE[name]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(
        rf"error: disk/{name}: no space left: it needs more than the 0\.\d MB that were written of it, "
        r"and its disk has 0\.5 MB; free some and try again\n",
        done.stderr,
    )
    assert done.stdout == ""  # nothing is left


def test_room_is_asked_for_beforehand(tmp_path):
    require_space(tmp_path, 1)
    with pytest.raises(
        InputError, match=rf"{tmp_path}: 1000000000000000\.0 MB are needed, and its disk has "
    ):
        require_space(tmp_path, 10**21)
