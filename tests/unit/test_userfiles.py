"""The user's own files: the same rows whatever the format, and each fault named with its file and row."""

import csv
import gzip
import io
import json
import re
from datetime import UTC, date, datetime

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resumen.runtime.errors import InputError
from resumen.schema.data import FilesParams
from resumen.schema.params import read_yaml
from resumen.sources.rows import FAULT
from resumen.sources.userfiles import UserArticles, read_user_rows, split_files
from tests.helpers.paths import ROOT

COLUMNS = {"text": "Fuente", "summary": "Resumen"}
ROWS = [
    {"text": "«¿Llueve?», dijo Íñigo; y llovió.", "summary": 'Dijo "sí"'},
    {"text": "Uno,\ndos\n\ntres", "summary": ""},
    {"text": "2023", "summary": "NA"},
]


def theirs(rows):
    """Return `rows` under the file's names, with a column that nobody asked for."""
    return [{"Fuente": row["text"], "otra": "x", "Resumen": row["summary"]} for row in rows]


def as_csv(rows, separator=",", line_end="\n"):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_json_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet(rows):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def read(path, separator=",", columns=COLUMNS):
    """Return the rows of a file, whose numbers are 1, 2, 3 …"""
    numbers, _, rows = zip(*read_user_rows([path], columns, separator), strict=True)
    assert list(numbers) == list(range(1, len(rows) + 1))
    return list(rows)


WAYS = {
    "comma.csv": (as_csv(theirs(ROWS)), ","),
    "semicolon.csv": (as_csv(theirs(ROWS), separator=";"), ";"),
    "excel.csv": (b"sep=;\r\n" + as_csv(theirs(ROWS), separator=";", line_end="\r\n"), ","),
    "tab.csv": (as_csv(theirs(ROWS), separator="\t"), "\t"),
    "windows.csv": (as_csv(theirs(ROWS), line_end="\r\n").replace(b"Uno,\ndos", b"Uno,\r\ndos"), ","),
    "mark.csv": (b"\xef\xbb\xbf" + as_csv(theirs(ROWS)), ","),
    "blank.csv": (as_csv(theirs(ROWS)).replace(b"2023,", b"\n\n2023,"), ","),
    "spaces.csv": (as_csv(theirs(ROWS)).replace(b"2023,", b"  \n \t\n2023,"), ","),
    "late.csv": (b"\n\r\n" + as_csv(theirs(ROWS)), ","),
    "late_mark.csv": (b"\xef\xbb\xbf\n\n" + as_csv(theirs(ROWS)), ","),
    "unnamed.csv": (as_csv([{**row, "": ""} for row in theirs(ROWS)]), ","),
    "rows.jsonl": (as_json_lines(theirs(ROWS)), ","),
    "windows.jsonl": (as_json_lines(theirs(ROWS)).replace(b"\n", b"\r\n"), ","),
    "mark.jsonl": (b"\xef\xbb\xbf" + as_json_lines(theirs(ROWS)), ","),
    "blank.jsonl": (as_json_lines(theirs(ROWS)).replace(b"\n", b"\n\n"), ","),
    "rows.parquet": (as_parquet(theirs(ROWS)), ","),
}


@pytest.mark.parametrize("name", WAYS)
def test_every_format_and_dialect_gives_the_same_rows(write, name):
    content, separator = WAYS[name]
    assert read(write(name, content), separator) == ROWS


# content of a row's Fuente, in JSON Lines and in Parquet
VALUES = [(None, ""), (3, "3"), (2.5, "2.5"), (float("nan"), ""), ("a\rb\r\nc", "a\nb\nc")]


@pytest.mark.parametrize(("value", "expected"), VALUES)
@pytest.mark.parametrize(("suffix", "render"), [("jsonl", as_json_lines), ("parquet", as_parquet)])
def test_numbers_are_as_written_and_nothing_is_empty(write, suffix, render, value, expected):
    path = write(f"rows.{suffix}", render([{"Fuente": value, "Resumen": "x"}]))
    assert read(path) == [{"text": expected, "summary": "x"}]


DATES = [
    (date(2021, 3, 4), pa.date32(), "2021-03-04"),
    (date(2021, 3, 4), pa.date64(), "2021-03-04"),
    (datetime(2021, 3, 4, 5, 6, 7), pa.timestamp("s"), "2021-03-04T05:06:07"),  # noqa: DTZ001
    (datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC), pa.timestamp("us", "UTC"), "2021-03-04T05:06:07+00:00"),
    (datetime(2021, 3, 4, 5, 6, 7), pa.timestamp("ns"), "2021-03-04T05:06:07"),  # noqa: DTZ001
    (None, pa.timestamp("ns"), ""),
]


@pytest.mark.parametrize(("value", "kind", "expected"), DATES, ids=str)
def test_dates_of_parquet_are_iso_text(write, value, kind, expected):
    path = write("rows.parquet", b"")
    pq.write_table(pa.table({"Fuente": pa.array([value], kind), "Resumen": ["x"]}), path)
    assert read(path) == [{"text": expected, "summary": "x"}]


def test_both_halves_of_a_character_are_one(write):
    path = write("rows.jsonl", '{"Fuente": "\\ud83d\\ude00", "Resumen": "x"}\n')
    assert read(path) == [{"text": "😀", "summary": "x"}]


def test_a_short_csv_row_has_empty_fields(write):
    assert read(write("rows.csv", "Fuente,Resumen\nuno\ndos,b\n")) == [
        {"text": "uno", "summary": ""},
        {"text": "dos", "summary": "b"},
    ]


def test_a_key_may_be_missing_in_a_later_json_row(write):
    path = write("rows.jsonl", '{"Fuente": "a", "Resumen": "b"}\n{"Fuente": "c"}\n')
    assert read(path)[1] == {"text": "c", "summary": ""}


GOOD = b"Fuente,Resumen\n"
FAULTS = [
    (
        "f.csv",
        GOOD + b'"uno,b\ndos,d\n',
        "f.csv:2: broken CSV: unexpected end of data; a quote inside quotes",
    ),
    (
        "f.csv",
        GOOD + b'a,b\n"u"no,b\n',
        "f.csv:3: broken CSV: ',' expected after '\"'; a quote inside quotes",
    ),
    ("f.csv", GOOD + b'"a\nb",c\n"x', "f.csv:4: broken CSV: unexpected end of data"),
    ("f.csv", GOOD + b"a,b\nuno, dos,b\n", "f.csv:3: expected 2 fields, got 3; put quotes around fields"),
    ("f.csv", GOOD + b"a,b\na\xf1o,b\n", "f.csv:3: not UTF-8, got byte 0xf1; save the file as UTF-8"),
    ("f.csv", GOOD.decode().encode("utf-16"), "f.csv:1: not UTF-8, got byte 0xff"),
    ("f.csv", b"", "f.csv: empty; expected a header and rows"),
    ("f.csv", b"\n\r\n\n", "f.csv: empty; expected a header and rows"),
    ("f.csv", b"\xef\xbb\xbf", "f.csv: empty; expected a header and rows"),
    (
        "f.csv",  # as a Spanish Excel writes it: the commas of its text are no fault
        b'Fuente;Resumen\nHoy, lunes, llueve.;Llueve, "hoy".\n',
        "f.csv: its header has no ',' and has ';': 'Fuente;Resumen'; set profiles.files.data.separator to ';",
    ),
    (
        "f.csv",
        b"Fuente\tResumen\na,b\tc\n",
        r"f.csv: its header has no ',' and has '\t': 'Fuente\tResumen'; set profiles.files.data.separator to",
    ),
    ("f.csv", b"sep=;\nFuente;Resumen\na;b;c\n", "f.csv:3: expected 2 fields, got 3; put quotes around fie"),
    ("f.jsonl", b'{"Fuente": "a", "Resumen": "b"}\n{"a"\n', "f.jsonl:2: not JSON: Expecting ':' delimiter"),
    (
        "f.jsonl",
        b"[1]\n",
        "f.jsonl:1: expected an object a line, got '[1]'; if the file is",
    ),
    ("f.jsonl", b'\n{"Fuente": "a\xf1o"}\n', "f.jsonl:2: not UTF-8, got byte 0xf1"),
    ("f.jsonl", b"", "f.jsonl: empty; expected a JSON object a line"),
    (
        "f.jsonl",
        b'{"a": 1}\n',
        "f.jsonl: lacks columns ['Fuente', 'Resumen'], has ['a']; set profiles.files.data",
    ),
    (
        "f.jsonl",
        b'{"Fuente": ["a"], "Resumen": ""}\n',
        "f.jsonl:1: column 'Fuente': expected text, got list; write it as text, or map another column",
    ),
    (
        "f.jsonl",
        b'\n{"Fuente": true, "Resumen": ""}\n',
        "f.jsonl:2: column 'Fuente': expected text, got bool",
    ),
    (
        "f.jsonl",
        b'{"Fuente": "a", "Resumen": ""}\n{"Fuente": "a\\ud83d o", "Resumen": ""}\n',
        "f.jsonl:2: holds half a character, a surrogate",
    ),
    (
        "f.jsonl",
        b'{"Fuente": ' + b"7" * 5_000 + b', "Resumen": ""}\n',
        "f.jsonl:1: not JSON: Exceeds the limit",
    ),
    ("f.parquet", GOOD, "f.parquet: not readable as Parquet: "),
    ("f.parquet", as_parquet([{"a": 1}]), "f.parquet: lacks columns ['Fuente', 'Resumen'], has ['a']; set"),
    (
        "f.parquet",
        as_parquet([{"Fuente": {"a": 1}, "Resumen": "x"}]),
        "f.parquet: row 1: column 'Fuente': expected text, got dict",
    ),
    (
        "f.parquet",
        as_parquet([{"Fuente": b"a\xf1o", "Resumen": "x"}]),
        "f.parquet: row 1: column 'Fuente': expected text, got bytes",
    ),
    (
        "f.xlsx",
        b"",
        "f.xlsx: expected a name that ends in .csv, .tsv, .json, .jsonl, .ndjson, .parquet; save it as CSV",
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), FAULTS)
def test_a_fault_is_named_with_its_file_and_row(write, name, content, message):
    write(name, content)
    with pytest.raises(InputError) as error:
        read(write(name, content).relative_to(write(name, content).parent))
    assert str(error.value).startswith(message)


TURNS = [
    {"role": "user", "content": "¿Qué río pasa\r\npor Logroño?"},
    {"role": "assistant", "content": "El Ebro."},
    {"role": "user", "content": "¿Y en qué mar desemboca?"},
    {"role": "assistant", "content": "En el Mediterráneo."},
]
CONVERSATIONS = {"messages": "turnos", "topic": "tema"}


@pytest.mark.parametrize(("suffix", "render"), [("jsonl", as_json_lines), ("parquet", as_parquet)])
def test_messages_give_text_and_summary(write, suffix, render):
    rows = [{"turnos": TURNS, "tema": "ríos"}, {"turnos": TURNS[:2], "tema": None}]
    path = write(f"rows.{suffix}", render(rows))
    question = {"role": "user", "content": "¿Qué río pasa\npor Logroño?"}
    assert read(path, columns=CONVERSATIONS) == [
        {
            "messages": [question, *TURNS[1:]],
            "text": "¿Qué río pasa\npor Logroño?\nEl Ebro.\n¿Y en qué mar desemboca?",
            "summary": "En el Mediterráneo.",
            "topic": "ríos",
        },
        {"messages": [question, TURNS[1]], "text": question["content"], "summary": "El Ebro.", "topic": ""},
    ]


MESSAGE_FAULTS = [
    (None, "expected a list of turns, each with role and content, got None"),
    (
        TURNS[:1],
        "turn 1: expected assistant at the end, got user: '¿Qué río pasa\\npor Logroño?'; add the",
    ),
    (
        TURNS[:3],
        "turn 3: expected assistant at the end, got user: '¿Y en qué mar desemboca?'; add the answer",
    ),
    (
        TURNS[1:2],
        "turn 1: expected user at the beginning, got assistant: 'El Ebro.'; user and assistant take",
    ),
    ([*TURNS[:1], *TURNS[2:]], "turn 2: expected assistant after user, got user: '¿Y en qué mar desemboca?'"),
    ([*TURNS[:2], TURNS[3]], "turn 3: expected user after assistant, got assistant: 'En el Mediterráneo.'"),
    ([], "expected a question and its answer, got []"),
    ([{"role": "user"}], "turn 1: lacks content, got {'role': 'user'}; add it"),
    ([{"content": "Hola"}], "turn 1: lacks role, got {'content': 'Hola'}; add it"),
    (
        [{**TURNS[0], "role": "usuario"}, TURNS[1]],
        "turn 1: unknown role 'usuario'; expected one of assistant, system, user",
    ),
    ([{**TURNS[0], "content": " "}, TURNS[1]], "turn 1: content: expected what the user said, got ' '"),
    (
        [{**TURNS[0], "content": "[Usuario]"}, TURNS[1]],
        "turn 1: content: holds [Usuario], which would look like",
    ),
    ("[Usuario] Hola", "expected a list of turns, each with role and content, got '[Usuario] Hola'"),
]


@pytest.mark.parametrize(("value", "message"), MESSAGE_FAULTS)
def test_messages_that_are_no_conversation_are_named_with_their_line(write, value, message):
    good = {"turnos": TURNS}
    path = write("rows.jsonl", b"\n" + as_json_lines([good, good, {"turnos": value}]))
    *good_rows, row = read(path, columns={"messages": "turnos"})
    assert row == {"text": "", "summary": "", "messages": None, FAULT: row[FAULT]}
    assert row[FAULT].startswith(f"{path}:4: column 'turnos': {message}")
    assert not any(FAULT in one for one in good_rows)


PARQUET_FAULTS = [
    ([TURNS, None], 2, "expected a list of turns, each with role and content, got None"),
    ([TURNS, []], 2, "expected a question and its answer, got []"),
    ([TURNS, [TURNS[0], None]], 2, "turn 2: expected an object with role and content, got None"),
    ([TURNS, TURNS[:3]], 2, "turn 3: expected assistant at the end, got user: '¿Y en qué mar desemboca?'"),
    ([TURNS, TURNS[:1] * 2], 2, "turn 2: expected assistant after user, got user: "),
    (
        [TURNS, [TURNS[0], {"content": "Sí."}]],
        2,
        "turn 2: unknown role None; expected one of assistant, system, user",
    ),
    ([[{"content": "Sí."}]], 1, "turn 1: lacks role, got {'content': 'Sí.'}; add it"),
    (["[Usuario] Hola"], 1, "expected a list of turns, each with role and content, got '[Usuario] Hola'"),
]


@pytest.mark.parametrize(("values", "number", "message"), PARQUET_FAULTS)
def test_messages_of_parquet_that_are_no_conversation_are_named_with_their_row(
    write, values, number, message
):
    path = write("rows.parquet", as_parquet([{"turnos": value} for value in values]))
    row = read(path, columns={"messages": "turnos"})[number - 1]
    assert row[FAULT].startswith(f"{path}: row {number}: column 'turnos': {message}")


def test_a_csv_cannot_hold_messages(write):
    path = write("rows.csv", "turnos,tema\n[],ríos\n")
    with pytest.raises(InputError) as error:
        read(path, columns=CONVERSATIONS)
    assert str(error.value) == (
        f"{path}: a CSV cannot hold messages, got columns.messages 'turnos'; save them as JSON Lines or "
        "Parquet, or map text and summary instead"
    )


def test_a_column_of_messages_that_is_not_there_is_named(write):
    path = write("rows.jsonl", as_json_lines([{"messages": TURNS}]))
    with pytest.raises(InputError, match=r"lacks columns \['turnos'\], has \['messages'\]; set profiles"):
        read(path, columns={"messages": "turnos"})


def test_a_parquet_text_that_is_not_utf8_is_named(write):
    ends, content = pa.py_buffer(b"\0\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xf1o")
    table = pa.table({"Fuente": pa.StringArray.from_buffers(1, ends, content), "Resumen": ["x"]})
    path = write("rows.parquet", b"")
    pq.write_table(table, path)
    with pytest.raises(InputError, match="not UTF-8, got byte 0xf1"):
        read(path)


def test_a_folder_holds_one_file_for_each_split(write):
    for name in ("train.csv", "validation.jsonl", "test.parquet", "notes.txt"):
        folder = write(f"own/{name}", "").parent
    result = split_files(folder)
    assert {split: [path.name for path in paths] for split, paths in result.items()} == {
        "train": ["train.csv"],
        "validation": ["validation.jsonl"],
        "test": ["test.parquet"],
    }
    assert split_files(folder / "train.csv") is None


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_the_validation_split_has_the_names_that_people_give_it(write, name):
    for split in ("train", name, "test"):
        write(f"own/{split}.TSV", "Fuente\tResumen\na\tb\n")
    files = split_files(write("own/nota.md", "").parent)
    assert [path.stem for (path,) in files.values()] == ["train", name, "test"]
    assert read(*files["validation"])[0]["text"] == "a"


@pytest.mark.parametrize(
    ("names", "split"), [(["train.csv", "test.csv"], "validation"), (["train.csv", "train.jsonl"], "train")]
)
def test_a_folder_that_lacks_a_split_or_has_it_twice_is_refused(write, names, split):
    for name in names:
        folder = write(f"own/{name}", "").parent
    with pytest.raises(InputError, match=rf"own: expected one {split}\.\*.*, that ends .*; has \['t"):
        split_files(folder)


def saved(folder, rows):
    """Write `rows` as `Dataset.save_to_disk` of datasets does, in two parts."""
    datasets.Dataset.from_list(theirs(rows)).save_to_disk(folder, num_shards=2)
    return folder


def as_array(rows):
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


MORE_WAYS = {
    "rows.tsv": as_csv(theirs(ROWS), separator="\t"),
    "ROWS.CSV": as_csv(theirs(ROWS)),
    "mac.csv": as_csv(theirs([ROWS[0], ROWS[2]]), line_end="\r"),
    "rows.ndjson": as_json_lines(theirs(ROWS)),
    "array.json": as_array(theirs(ROWS)),
    "mark.json": b"\xef\xbb\xbf\n" + as_array(theirs(ROWS)),
    "lines.json": as_json_lines(theirs(ROWS)),
    "rows.csv.gz": gzip.compress(as_csv(theirs(ROWS))),
    "rows.TSV.GZ": gzip.compress(as_csv(theirs(ROWS), separator="\t")),
    "rows.jsonl.gz": gzip.compress(as_json_lines(theirs(ROWS))),
    "array.json.gz": gzip.compress(as_array(theirs(ROWS))),
}


@pytest.mark.parametrize("name", MORE_WAYS)
def test_the_formats_that_people_have_give_the_same_rows(write, name):
    assert read(write(name, MORE_WAYS[name])) == (ROWS if name != "mac.csv" else [ROWS[0], ROWS[2]])


@pytest.mark.parametrize("name", ["Título (año)", "Ti\u0301tulo (an\u0303o)", " Título\u00a0(año) "])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "parquet"])
def test_a_column_is_found_however_its_name_is_written(write, name, suffix):
    rows = [{name: "Llueve.", "Resumen": "Agua."}]
    render = {"csv": as_csv, "jsonl": as_json_lines, "json": as_array, "parquet": as_parquet}[suffix]
    columns = {"text": "Título (año)", "summary": "Resumen"}
    assert read(write(f"f.{suffix}", render(rows)), columns=columns) == [
        {"text": "Llueve.", "summary": "Agua."}
    ]


def test_a_folder_that_datasets_saved_is_a_file(tmp_path):
    assert read(saved(tmp_path / "mine", ROWS)) == ROWS
    assert split_files(tmp_path / "mine") is None


def test_a_folder_of_splits_that_datasets_saved_has_them(tmp_path):
    names = ("train", "validation", "test")
    splits = datasets.DatasetDict({name: datasets.Dataset.from_list(theirs(ROWS)) for name in names})
    splits.save_to_disk(tmp_path / "mine")
    files = split_files(tmp_path / "mine")
    assert files == {name: [tmp_path / "mine" / name] for name in names}
    assert read(*files["test"]) == ROWS


def test_shards_are_read_in_their_order(write):
    for split in ("train", "validation", "test"):
        for number, row in enumerate(ROWS):
            write(f"own/{split}-{number:05}-of-00003.jsonl", as_json_lines(theirs([row])))
    files = split_files(write("own/nota.md", "").parent)
    assert [path.name for path in files["test"]] == [
        f"test-{number:05}-of-00003.jsonl" for number in range(3)
    ]
    assert [row for _, _, row in read_user_rows(files["train"], COLUMNS, ",")] == ROWS
    files["train"][1].unlink()
    with pytest.raises(
        InputError, match=r"expected the shards of train from 0 to 2, each once, got .*add what"
    ):
        split_files(files["train"][0].parent)


SHARDS_OF_TRAIN = [
    [
        "train-00000-of-00002.jsonl",
        "train-00000-of-00002.jsonl.gz",
    ],  # what `gunzip -k` leaves; one is missing
    ["train-00005-of-00001.jsonl"],
    ["train-00001-of-00002.jsonl", "train-00002-of-00002.jsonl"],
]


@pytest.mark.parametrize("names", SHARDS_OF_TRAIN)
def test_each_shard_is_there_once(write, names):
    for name in [*names, "dev.jsonl", "test.jsonl"]:
        folder = write(f"own/{name}", b"").parent
    with pytest.raises(InputError, match="expected the shards of train from 0 to "):
        split_files(folder)


UNREADABLE = [
    (
        "f.tsv",
        b"Fuente;Resumen\na;b\n",
        "f.tsv: its header has no '\\t' and has ';': 'Fuente;Resumen'; name it .csv",
    ),
    (
        "f.json",
        b'[\n {"Fuente": "a"},\n {"Fuente" "b"}\n]\n',
        "f.json:3: not JSON: Expecting ':' delimiter, got '{\"F",
    ),
    (
        "f.json",
        b'{\n  "data": []\n}\n',
        "f.json: expected an array of objects, or an object a line, got one ob",
    ),
    ("f.json", b'[{"Fuente": "a"}, 3]', "f.json: lacks columns ['Resumen'], has ['Fuente']; set profiles"),
    ("f.json", b'[{"Fuente": "a", "Resumen": "b"}, 3]', "f.json: row 2: expected keys and values, got '3'"),
    ("f.json", b'[{"Fuente": "a"', "f.json: not JSON: Expecting ',' delimiter"),
    ("f.json", b"[]", "f.json: empty; expected an array of objects"),
    ("f.json", b"", "f.json: empty; expected a JSON object a line"),
    ("f.json", '[{"Fuente": "año"}]'.encode("latin-1"), "f.json: not UTF-8, got byte 0xf1"),
    ("f.csv.gz", GOOD, "f.csv.gz: not readable as gzip: Not a gzipped file"),
    (
        "f.csv.gz",
        gzip.compress(GOOD + b"a,b\n")[:-9],
        "f.csv.gz: not readable as gzip: Compressed file ended",
    ),
    (
        "f.parquet.gz",
        b"",
        "f.parquet.gz: expected a name that ends in .csv, .tsv, .json, .jsonl, .ndjson, .pa",
    ),
    (
        "f.txt.gz",
        b"",
        "f.txt.gz: a text, and no rows of articles and summaries; write them into a table, a row an",
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_fault_of_these_formats_is_named_too(write, name, content, message):
    with pytest.raises(InputError) as error:
        read(write(name, content).relative_to(write(name, content).parent))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("name", ["f.csv.gz", "f.jsonl.gz", "f.json.gz"])
def test_a_gzip_holds_no_more_than_text_compresses_to(write, monkeypatch, name):
    monkeypatch.setattr("resumen.runtime.guards.MAX_BYTES", 1_000)
    row = {"Fuente": "a", "Resumen": "b"}
    lines = GOOD + b"a,b\n" * 200_000 if ".csv" in name else as_json_lines([row]) * 200_000
    with pytest.raises(InputError, match=r"expected a file of [\d,]+ bytes to hold at most [\d,]+, got more"):
        read(write(name, gzip.compress(lines)))


CONVERTED = {
    ".arrow": "save_to_disk",
    ".docx": "a row an article",
    ".pdf": "a row an article",
    ".txt": "a row an article",
    ".xls": "as CSV",
    ".xlsx": "as CSV",
    ".zip": "unpack it",
}


@pytest.mark.parametrize("suffix", CONVERTED)
def test_another_format_is_refused_with_the_way_to_convert_it(write, suffix):
    with pytest.raises(InputError, match=f"; .*{re.escape(CONVERTED[suffix])}"):
        read(write(f"DATOS{suffix.upper()}", b"x"))


def test_a_damaged_folder_of_datasets_is_named(tmp_path):
    folder = saved(tmp_path / "mine", ROWS)
    first, second = sorted(folder.glob("*.arrow"))
    first.write_bytes(first.read_bytes()[:100] + b"no" * 100)
    with pytest.raises(InputError, match=r"not readable as Arrow: .*save the dataset again"):
        read(folder)
    second.unlink()
    with pytest.raises(InputError, match=f"lacks '{second.name}', which state.json names"):
        read(folder)


def articles(write, content, **changes):
    """Return the articles of one file, by id."""
    path = write("own.jsonl", as_json_lines(content))
    columns = {"text": "text", "summary": "summary"} | changes
    given = {**FILES, "path": str(path), "columns": columns}
    users = UserArticles([path], "row", FilesParams.model_validate(given))
    return {row["id"]: (row["text"], row["summary"], row["references"]) for row in users.rows(users.numbers)}


FILES = {
    **read_yaml(ROOT / "params.yaml")["data"],
    **{"source": "files", "separator": ",", "train": 0.8, "validation": 0.1, "test": 0.1},
}


def test_a_list_of_summaries_and_repeated_rows_are_the_references_of_one_article(write):
    rows = [
        {"text": "Llueve.", "summary": ["Cae agua.", "Hay lluvia.", " "]},
        {"text": "Nieva.", "summary": "Cae nieve."},
        {"text": "Llueve.", "summary": "Agua del cielo."},
        {"text": "Nieva.", "summary": "Cae nieve."},  # a duplicate, which the audit counts
        {"text": "Llueve.", "summary": ["Hay gotas."]},
        {"text": "", "summary": "Uno."},
        {"text": "", "summary": "Dos."},
    ]
    assert articles(write, rows) == {
        "row-1": ("Llueve.", "Cae agua.", ["Hay lluvia.", "Agua del cielo.", "Hay gotas."]),
        "row-2": ("Nieva.", "Cae nieve.", None),
        "row-4": ("Nieva.", "Cae nieve.", None),
        "row-6": ("", "Uno.", None),
        "row-7": ("", "Dos.", None),
    }


def test_repeated_rows_may_have_one_id_and_other_articles_may_not(write):
    rows = [{"text": "Llueve.", "summary": f"Resumen {number}.", "id": "a"} for number in range(3)]
    assert articles(write, rows, id="id") == {"a": ("Llueve.", "Resumen 0.", ["Resumen 1.", "Resumen 2."])}
    for other in ({"text": "Nieva.", "summary": "Otro.", "id": "a"}, rows[0]):
        with pytest.raises(InputError, match=r"own.jsonl:4: expected an id of its own, got 'a'"):
            articles(write, [*rows, other], id="id")


def test_references_are_told_by_their_text_however_it_is_written(write):
    rows = [
        {"text": "El nin\u0303o de Soria.", "summary": ["Un niño.", "Un nin\u0303o.", "UN NIÑO."]},
        {"text": "El\u00a0niño  de Soria.", "summary": "Otro resumen."},
        {"text": "NaN", "summary": "Uno."},
        {"text": "NaN", "summary": "Dos."},
        {"text": "Nieva.", "summary": ["null", "", "Cae nieve."]},
    ]
    given = articles(write, rows)
    assert {name: row[1:] for name, row in given.items()} == {
        "row-1": ("Un niño.", ["Otro resumen."]),
        "row-3": ("Uno.", None),
        "row-4": ("Dos.", None),
        "row-5": ("Cae nieve.", None),
    }


def test_the_first_summary_of_a_list_stays_the_first_though_it_comes_again(write):
    rows = [{"text": "Llueve.", "summary": ["Cae agua.", "Hay lluvia.", "CAE AGUA."]}]
    assert articles(write, rows) == {"row-1": ("Llueve.", "Cae agua.", ["Hay lluvia."])}


def test_a_text_with_more_summaries_than_people_write_is_no_article(write):
    rows = [{"text": "Contenido para suscriptores.", "summary": f"Resumen {number}."} for number in range(12)]
    assert len(articles(write, rows)) == 12  # the audit counts them as duplicates
    assert len(articles(write, rows[:11])) == 1


def test_an_id_that_two_articles_have_is_named_with_its_own_file(write):
    for split in ("train", "dev", "test"):
        for number in range(2):
            rows = [{"Fuente": f"{split} {number} {row}", "Resumen": "a", "id": "x"} for row in range(1)]
            write(f"own/{split}-{number:05}-of-00002.jsonl", as_json_lines(rows))
    files = split_files(write("own/nota.md", "").parent)["train"]
    given = FilesParams.model_validate({**FILES, "path": "own", "columns": {**COLUMNS, "id": "id"}})
    with pytest.raises(
        InputError, match=r"train-00001-of-00002\.jsonl:1: expected an id of its own, got 'x'"
    ):
        UserArticles(files, "train", given)
