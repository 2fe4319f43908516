"""Fetch: every row is kept or counted, whatever its source; no article is in two splits."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.schema.data import FilesParams
from resumen.schema.params import read_yaml
from resumen.schema.rows import CONVERSATIONS, RAW, SPLITS, read_table
from resumen.sources.audit import Audit, DuplicateIndex, RowRef, without_edition_note
from resumen.sources.userfiles import file_splits, shuffled_shares
from stages.fetch import clean, main
from tests.helpers.paths import ROOT, SHARED

DATA = read_yaml(ROOT / "params.yaml")["data"]
EXAMPLE = {
    "source": "files",
    "path": "data/example.csv",
    "separator": ",",
    "columns": {"text": "text", "summary": "summary"},
    "train": 0.8,
    "validation": 0.1,
    "test": 0.1,
    "seed": 1,
    **{name: value for name, value in DATA.items() if name not in ("seed", *SPLITS)},
}


def seen_index():
    """Return an index that has seen nothing."""
    return DuplicateIndex(DATA["near_duplicate_similarity"])


def params(**changes):
    return FilesParams.model_validate({**EXAMPLE, **changes})


def row(text, summary="Un resumen corto."):
    return {"id": text, "text": text, "summary": summary}


def cleaned(rows, split="train", seen=None):
    """Return the rows that stay, and the audit."""
    audit = Audit(split)
    return list(clean(rows, audit, seen_index() if seen is None else seen, params())), audit


def numbered_rows(count):
    return [{**row(f"Texto {number}."), "id": f"row-{number}"} for number in range(count)]


def raw(split):
    return list(read_table(Path(f"data/raw/{split}.parquet"), RAW.names))


ENGLISH = "The mayor of the town said that the river is in the valley and that it was cold."
GERMAN = "Was in der Stadt geschah, war ihr nicht neu: Die Polizei war in der Nacht von weit her gekommen."
FRENCH = "On a vu dans la ville ce que la police avait fait; il y a un an, on en parlait au journal."
SPANISH = "La alcaldesa de la villa dijo que el río está en el valle y que hacía frío."
DROPPED = [
    (row(SPANISH), None),
    (row(GERMAN), "other language"),
    (row(FRENCH), "other language"),
    (row(""), "empty text"),
    (row("NaN"), "empty text"),
    (row("null"), "empty text"),
    (row(" None\n"), "empty text"),
    (row("<NA>"), "empty text"),
    (row("n/a"), "empty text"),
    (row("\u00a0NULL\u00a0"), "empty text"),
    (row(SPANISH, "nan"), "empty summary"),
    (row(SPANISH, " N/A "), "empty summary"),
    (row(SPANISH, "NaN de pan, null"), None),
    (row("Nan."), None),  # a word: bread, in Hindi
    (row(" \n\t"), "empty text"),
    (row(SPANISH, ""), "empty summary"),
    (row("¿…? ¡!"), "empty text"),
    (row(SPANISH, "   "), "empty summary"),
    (row(SPANISH, "— — —"), "empty summary"),
    (row(SPANISH, "«…» ¡! _"), "empty summary"),
    (row(SPANISH, "— Dos palabras —"), "short summary"),
    (row(SPANISH, "Viñeta."), "short summary"),
    (row(SPANISH, "Dos palabras"), "short summary"),
    (row(SPANISH, "Tres palabras ya"), None),
    (row(SPANISH, "¿Dónde?—¡Allí,ñandú!"), None),  # signs part words as white space does
    (row(ENGLISH), "other language"),
    (row("", ""), "empty text"),
]


@pytest.mark.parametrize(("given", "reason"), DROPPED)
def test_a_row_is_dropped_for_its_first_reason(given, reason):
    kept, audit = cleaned([given])
    assert kept == ([] if reason else [given])
    assert audit.dropped == ({reason: 1} if reason else {})


NOTE = "* Este artículo apareció en la edición impresa del Martes, 1 de junio de 2010"
NOTED = [
    (f"Llueve. {NOTE}", "Llueve."),
    (f"Llueve.\n\n{NOTE}.\n", "Llueve."),
    (f"Llueve. {NOTE[2:]}", "Llueve."),
    (f"{NOTE}. Llueve.", f"{NOTE}. Llueve."),  # not at the end: it may be what the article is about
    (f"Llueve.{NOTE[:20]}", f"Llueve.{NOTE[:20]}"),
    (NOTE, ""),
]


@pytest.mark.parametrize(("text", "expected"), NOTED)
def test_edition_note_is_cut_off_the_end(text, expected):
    assert without_edition_note(text) == expected


def test_edition_notes_are_counted_and_do_not_hide_a_duplicate():
    kept, audit = cleaned([row("Llueve."), row(f"Llueve. {NOTE}"), row(f"Nieva. {NOTE}"), row(NOTE)])
    assert [one["text"] for one in kept] == ["Llueve.", "Nieva."]
    assert audit.dropped == {"duplicate text": 1, "empty text": 1}
    assert audit.trimmed == {"edition note": 1}


def test_texts_are_normalized_and_what_was_unusual_is_counted():
    given = row("El nin\u0303o de\u00a0Soria.", "Un nin\u0303o\u00ad de Soria.")
    talk = row("Llueve.") | {"messages": [{"role": "user", "content": "¿Por que\u0301?"}]}
    kept, audit = cleaned([given, row("Nieva."), talk])
    assert [one["text"] for one in kept] == ["El niño de Soria.", "Nieva.", "Llueve."]
    assert kept[0]["summary"] == "Un niño de Soria."
    assert kept[2]["messages"] == [{"role": "user", "content": "¿Por qué?"}]
    assert audit.trimmed == {"not NFC": 2, "no-break spaces": 1, "invisible characters": 1}


def test_rows_that_differ_in_how_they_are_written_alone_are_duplicates():
    assert cleaned([row("El niño."), row("El nin\u0303o.")])[1].dropped == {"duplicate text": 1}


def test_an_edition_note_can_stay():
    given, audit = row(f"Nieva. {NOTE}"), Audit("train")
    assert list(clean([given], audit, seen_index(), params(trim_edition_note=False))) == [given]
    assert not +audit.trimmed


def test_a_spanish_text_with_an_english_quotation_is_spanish():
    assert cleaned([row(f"{SPANISH} {SPANISH} «{ENGLISH}»")])[0]


def test_every_row_is_kept_or_counted():
    rows = [{**given, "text": f"{given['text']} {'x' * index}"} for index, (given, _) in enumerate(DROPPED)]
    kept, audit = cleaned(rows * 2)
    assert len(kept) + audit.dropped.total() == 2 * len(rows)
    assert audit.dropped["duplicate text"] == len(kept) > 0


def test_a_text_of_an_earlier_split_is_dropped_from_a_later_one():
    seen = seen_index()
    train, first = cleaned([row("uno"), row("dos"), row("uno ")], "train", seen)
    test, second = cleaned([row("tres"), row(" dos", "Otro resumen distinto.")], "test", seen)
    assert [kept["text"] for kept in train + test] == ["uno", "dos", "tres"]
    assert first.dropped == {"duplicate text": 1}
    assert second.dropped == {"text in earlier split": 1}
    assert second.examples["text in earlier split"] == [{"id": " dos", "of": "dos"}]
    assert RowRef("train", "dos") in seen.texts.values()


def test_a_row_that_was_dropped_does_not_make_its_text_a_duplicate():
    kept, audit = cleaned([row("uno", ""), row("uno")])
    assert kept == [row("uno")]
    assert audit.dropped == {"empty summary": 1}


@pytest.mark.parametrize("count", [*range(10, 60), 108, 999])
@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.7, 0.15, 0.15), ("all", 0.1, 0.2), ("all", 2, 3)])
def test_shares_of_one_file_are_all_its_rows_once(count, shares):
    sizes = dict(zip(SPLITS, shares, strict=True))
    rows = numbered_rows(count)
    splits = shuffled_shares(rows, params(**sizes))
    ids = [row["id"] for split in SPLITS for row in splits[split]]
    assert sorted(ids) == sorted(row["id"] for row in rows)
    for split, size in sizes.items():
        if isinstance(size, float):
            assert abs(len(splits[split]) - size * count) <= 1


def test_one_seed_deals_one_way_and_another_another():
    rows = numbered_rows(50)
    assert shuffled_shares(rows, params()) == shuffled_shares(rows, params())
    assert shuffled_shares(rows, params()) != shuffled_shares(rows, params(seed=2))


def test_each_split_keeps_the_files_order():
    splits = shuffled_shares(numbered_rows(50), params())
    for rows in splits.values():
        indices = [int(row["id"].removeprefix("row-")) for row in rows]
        assert indices == sorted(indices)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 0.9}, "data.train: 0.9 of 20 rows is 18, and 16 are left"),
        ({"train": 30}, "data.train: 30 of 20 rows is 30, and 16 are left"),
        ({"test": 0.01}, "data.test: 0.01 of 20 rows is 0, and 20 are left"),
        ({"validation": 18, "train": "all"}, "data.train: all of 20 rows is 0, and 0 are left"),
    ],
)
def test_a_split_that_would_be_empty_or_too_large_is_refused(sizes, message):
    with pytest.raises(InputError) as error:
        shuffled_shares(numbered_rows(20), params(**sizes))
    assert message in str(error.value)


def test_embedded_news_come_clean_at_the_sizes_asked_for(set_params, runs):
    set_params({"data.train": 30, "data.validation": 5, "data.test": 4})
    runs(main)
    audit = read_json(Path("metrics/data.json"))
    assert {split: len(raw(split)) for split in SPLITS} == {"train": 30, "validation": 5, "test": 4}
    assert [(row["split"], row["kept"]) for row in audit["splits"]] == [
        ("train", 30),
        ("validation", 5),
        ("test", 4),
    ]
    assert audit["provenance"] == [{"source": "embedded", "seed": 2023}]


def test_equal_seeds_give_equal_bytes(set_params, runs):
    output = []
    for seed in (3, 3, 4):
        set_params({"data.train": 20, "data.validation": 5, "data.test": 5, "data.seed": seed})
        runs(main)
        output.append(Path("data/raw/train.parquet").read_bytes())
    assert output[0] == output[1] != output[2]


@pytest.fixture
def use(set_params):
    """A function that lets the project fetch a user's file, columns under our names."""

    def choose(path, **changes):
        values = {f"profiles.files.data.{name}": value for name, value in changes.items()}
        set_params({"profile": "files", "profiles.files.data.path": str(path), **values})

    return choose


def test_ids_are_the_users_where_mapped_and_else_tell_the_row(write, use, runs):
    rows = [{"text": f"Texto {n}.", "summary": "Un resumen corto.", "n": f"a{n}"} for n in range(10)]
    path = write("own.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    use(path)
    runs(main)
    ids = {row["id"] for split in SPLITS for row in raw(split)}
    assert ids == {f"row-{number}" for number in range(1, 11)}
    use(path, columns={"text": "text", "summary": "summary", "id": "n"})
    runs(main)
    assert {row["id"] for split in SPLITS for row in raw(split)} == {row["n"] for row in rows}


def test_columns_that_are_not_mapped_are_empty(use, runs):
    use("data/example.csv")
    runs(main)
    for row in raw("train"):
        assert row["text"]
        assert row["summary"]
        assert {row["title"], row["topic"], row["url"], row["date"]} == {""}


def folder_of_splits(write, **rows):
    for split in SPLITS:
        lines = [f"Texto de {split} {n}.,Un resumen corto." for n in range(rows.get(split, 3))]
        path = write(f"own/{split}.csv", "\n".join(["text,summary", *lines]) + "\n")
    return path.parent


def test_a_folder_gives_each_split_its_own_file(write, use, runs):
    use(folder_of_splits(write), train="all", validation="all", test=2)
    runs(main)
    assert [row["id"] for row in raw("train")] == ["train-1", "train-2", "train-3"]
    assert [row["text"] for row in raw("validation")] == [f"Texto de validation {n}." for n in range(3)]
    assert len(raw("test")) == 2


def test_a_share_of_a_folder_is_refused(write, use, fails):
    use(folder_of_splits(write))
    assert fails(main).startswith("params.yaml: data.train: a share of one file, got 0.8, but ")


def test_an_empty_test_split_is_refused(write, use, fails):
    use(folder_of_splits(write, test=0), train="all", validation="all", test="all")
    message = "expected at least one usable row in test, got none; dropped: none; look at the rows, at"
    assert fails(main) == f"data: {message} data.test or at data.drop"


def test_rows_that_are_all_unusable_are_counted_by_reason(write, use, fails):
    use(write("own.csv", "text,summary\n" + "Texto.,Corto\n" * 7 + ",Un resumen corto.\n" * 3))
    message = fails(main)
    assert message.startswith("data: expected at least one usable row in train, got none; dropped: ")
    counts = {reason: int(count) for count, reason in re.findall(r"(\d+) ([a-z]+ [a-z]+)", message)}
    assert counts.keys() == {"short summary", "empty text"}
    assert sum(counts.values()) == 8  # of ten rows, the share of train
    assert message.endswith("; look at the rows, at data.train or at data.drop")


@pytest.mark.parametrize("second", ["7", ""])
def test_ids_that_occur_twice_or_are_empty_are_refused(write, use, fails, second):
    lines = [f"Texto.,Un resumen corto.,{number}\n" for number in ("7", second)]
    path = write("own.csv", "".join(["text,summary,n\n", *lines]))
    use(path, columns={"text": "text", "summary": "summary", "id": "n"})
    assert fails(main) == (
        f"{path}: row 2: expected an id of its own, got {second!r}; leave "
        "profiles.files.data.columns.id out, and the rows are numbered"
    )


def test_a_file_that_ends_after_its_header_is_refused(write, use, fails):
    path = write("own.csv", "text,summary\n")
    use(path)
    assert fails(main) == f"{path}: expected rows below the header, got none"


PLACES = {
    "source": "files",
    "repo": "reciTAL/mlsum",
    "revision": "main",
    "data_dir": "es",
    "path": "own.csv",
    "separator": ";",
    "columns": {"text": "a", "summary": "b"},
}


@pytest.mark.parametrize("profile", ["mini", "course", "files"])
@pytest.mark.parametrize("key", PLACES)
def test_what_the_profile_says_is_refused_in_the_data_section(set_params, fails, profile, key):
    set_params({"profile": profile, f"data.{key}": PLACES[key]})
    assert fails(main) == (
        f"params.yaml: data.{key}: belongs to the profile, got {PLACES[key]!r} here; set "
        f"profiles.{profile}.data.{key}, which DVC watches"
    )


QUESTION = {"role": "user", "content": "¿Qué río pasa por Logroño?"}


def talk(number):
    """Return a conversation of three answers."""
    answer = {"role": "assistant", "content": f"Por Logroño pasa el Ebro, {number}."}
    more = {"role": "user", "content": f"¿Y por la calle {number}?"}
    return [
        QUESTION,
        answer,
        more,
        answer,
        more,
        {"role": "assistant", "content": "Por allí no pasa ninguno."},
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_conversations_come_with_their_messages_text_and_summary(
    write, project, use, set_params, runs, suffix
):
    rows = [{"turnos": talk(number)} for number in range(10)]
    if suffix == "jsonl":
        path = write("own.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        path = project / "own.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    use(path, columns={"messages": "turnos"})
    runs(main)
    result = [
        row for split in SPLITS for row in read_table(Path(f"data/raw/{split}.parquet"), CONVERSATIONS.names)
    ]
    assert len(result) == 10
    for row in result:
        messages = talk(int(row["id"].removeprefix("row-")) - 1)
        assert row["messages"] == messages
        assert row["text"] == "\n".join(turn["content"] for turn in messages[:-1])
        assert row["summary"] == "Por allí no pasa ninguno."
        assert row["title"] == row["topic"] == row["url"] == row["date"] == ""
    assert (
        pq.read_schema("data/raw/train.parquet").field("messages").type
        == CONVERSATIONS.field("messages").type
    )


def test_without_messages_there_is_no_such_column(use, runs):
    use("data/example.csv")
    runs(main)
    for split in SPLITS:
        assert pq.read_schema(f"data/raw/{split}.parquet").names == RAW.names


def test_rows_that_are_no_conversation_are_counted_and_the_first_are_named(write, use, runs, fails, caplog):
    rows = [talk(number) for number in range(40)]
    for number in range(3, 20):
        rows[number] = rows[number][1:]
    path = write("own.jsonl", "".join(json.dumps({"turnos": row}) + "\n" for row in rows))
    use(path, columns={"messages": "turnos"})
    runs(main)
    assert sum(len(raw(split)) for split in SPLITS) == 23
    dropped = [split["dropped"] for split in read_json(Path("metrics/data.json"))["splits"]]
    assert sum(counts.get("broken conversation", 0) for counts in dropped) == 17
    named = re.findall(
        r"own\.jsonl:\d+: column 'turnos': turn 1: expected user at the beginning", caplog.text
    )
    assert 5 <= len(named) <= 15  # at most five a split
    assert "more rows like these" in caplog.text
    lines = (json.dumps({"turnos": talk(number)[1:]}) for number in range(40))
    path = write("own.jsonl", "\n".join(lines))
    message = fails(main)
    assert message.startswith("data: expected at least one usable row in train, got none; dropped: 32 broken")
    assert f"{path}:" in message
    assert "turn 1: expected user at the beginning, got assistant: " in message


def test_messages_in_a_csv_are_refused(use, fails):
    use("data/example.csv", columns={"messages": "text"})
    assert fails(main).startswith(
        "data/example.csv: a CSV cannot hold messages, got columns.messages 'text'; save"
    )


@pytest.mark.parametrize("extra", [["text"], ["summary"], ["text", "summary"]])
def test_messages_leave_nothing_to_say_for_text_and_summary(use, fails, extra):
    columns = {"messages": "turnos", **dict.fromkeys(extra, "x")}
    use("own.jsonl", columns=columns)
    assert fails(main).startswith(
        "params.yaml: profiles.files.data.columns: messages hold text and summary; take "
        f"{' and '.join(extra)} out, got {{'messages': 'turnos', "
    )


# As a spreadsheet saves it: a byte order mark, CRLF, line ends inside quotes, an empty third column.
SAMPLE = "\r\n".join(
    [
        "\ufeffFuente,Resumen,",
        '"Llueve en Logroño.\r\n\r\n«Hacía falta», dice Íñigo.","Llueve, por fin, en Logroño.",',
        '"El alcalde dijo ""sí"" al parque.",El alcalde quiere un parque.,',
        "¿Nieva en Ávila? Nadie lo sabe.,Dudas en Ávila por la nieve.,",
        "El Ourense empató en León.,El Ourense suma un punto.,",
        "¿Nieva en Ávila? Nadie lo sabe.,Otro resumen de la nieve.,",
        "La helada dañó las flores de la vega.,La helada daña las flores.,",
        "",
    ]
)


def test_a_spreadsheets_file_comes_in_whole(write, use, set_params, runs):
    use(write("own.csv", SAMPLE), columns={"text": "Fuente", "summary": "Resumen"})
    set_params({"data.train": 3, "data.validation": 1, "data.test": 1, "data.seed": 4})
    runs(main)
    kept = {row["id"]: (row["text"], row["summary"]) for split in SPLITS for row in raw(split)}
    assert kept["row-1"] == (
        "Llueve en Logroño.\n\n«Hacía falta», dice Íñigo.",
        "Llueve, por fin, en Logroño.",
    )
    assert kept["row-2"] == ('El alcalde dijo "sí" al parque.', "El alcalde quiere un parque.")
    assert kept.keys() == {*(f"row-{number}" for number in (1, 2, 3, 4, 6)), "row-3#2"}
    assert kept["row-3#2"] == (kept["row-3"][0], "Otro resumen de la nieve.")  # of one article in train
    splits = read_json(Path("metrics/data.json"))["splits"]
    assert [split["dropped"] for split in splits] == [{}, {}, {}]
    assert [split["several_references"] for split in splits] == [1, 0, 0]
    assert sum(split["kept"] for split in splits) == 6


BROKEN = [
    ("own.csv", b'text,summary\n"uno,b\n', ":2: broken CSV"),
    ("own.csv", b"text,summary\nuno, dos,b\n", ":2: expected 2 fields, got 3"),
    ("own.csv", b"text,summary\na\xf1o,b\n", ":2: not UTF-8, got byte 0xf1"),
    ("own.jsonl", b'{"text": "a", "summary": "b"}\nno\n', ":2: not JSON"),
    ("own.parquet", b"no", ": not readable as Parquet"),
    ("own.csv", b"Fuente,Resumen\na,b\n", ": lacks columns ['text', 'summary'], has ['Fuente', 'Resumen']"),
    (
        "own.txt",
        b"text,summary\n",
        ": a text, and no rows of articles and summaries; write them",
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_a_broken_file_stops_the_stage_and_leaves_nothing(write, use, fails, name, content, message):
    path = write(name, content)
    use(path)
    assert fails(main).startswith(f"{path}{message}")


def test_a_broken_later_split_leaves_no_earlier_one(write, use, fails):
    folder = folder_of_splits(write)
    write("own/test.csv", 'text,summary\n"uno,b\n')
    use(folder, train="all", validation="all", test="all")
    assert "test.csv:2: broken CSV" in fails(main)


def test_a_failed_run_keeps_the_rows_of_the_last_good_one(use, runs, fails):
    use("data/example.csv")
    runs(main)
    use("nada.csv")
    fails(main)
    assert raw("train")


def test_a_parquet_of_another_schema_names_what_it_has(project, use, fails):
    pq.write_table(pa.table({"articulo": ["a"], "resumen": ["b"]}), project / "own.parquet")
    use("own.parquet")
    assert fails(main).startswith(
        "own.parquet: lacks columns ['text', 'summary'], has ['articulo', 'resumen']"
    )


@pytest.mark.parametrize("profile", ["course", "mlsum"])
def test_a_hub_that_cannot_be_reached_is_said_with_a_way_out(set_params, fails, profile):
    set_params({"profile": profile})
    message = fails(main)
    assert message.startswith(
        "reciTAL/mlsum@refs/convert/parquet: HF_HUB_OFFLINE is set, and HF_HOME lacks it; unset it, or use"
    )


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data, which does not come with the code")
def test_a_real_file_of_summaries_is_read_whole():
    path = SHARED / "articles-es/summaries-108.csv"
    columns = {"text": "Fuente", "summary": "Resumen"}
    given = file_splits(params(path=str(path), columns=columns), {})
    splits = {split: list(rows) for split, rows in given.items()}
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 85, "validation": 10, "test": 11}
    assert all(row["text"].strip() and row["summary"].strip() for rows in splits.values() for row in rows)


def test_each_summary_of_a_test_article_is_judged_by_itself():
    given = {
        "id": "a",
        "text": SPANISH,
        "summary": "Sí.",
        "references": ["Otro resumen corto.", "<p>El niÃ±o dijo</p>"],
    }
    kept, audit = cleaned([given], "test")
    assert kept == [{**given, "summary": "Otro resumen corto.", "references": ["<p>El niÃ±o dijo</p>"]}]
    assert (audit.dropped, audit.left) == ({"short summary": 1}, {"damaged text": 1})
    assert (audit.several_references, audit.report()["kept"]) == (1, 1)
    kept, audit = cleaned([given], "train")
    assert [row["id"] for row in kept] == ["a", "a#3"]
    assert audit.report()["kept"] == 2
