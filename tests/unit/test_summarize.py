"""Summarize: texts of one's own, summarized as `generate` would, in order, lazily, nothing skipped."""

import io
import json
import sys
from itertools import count, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from resumen.generation.ours import OwnModel
from resumen.model.decoding import greedy
from resumen.schema.jsonl import read_jsonl
from resumen.schema.rows import read_table
from resumen.text.sentences import sentences
from resumen.tools.articles import Article, articles_of
from resumen.tools.summarize import main, write_summaries
from resumen.tools.summarizer import PromptStyle, Summarizer, windows
from resumen.vocabulary.tokenizer import encode, load_tokenizer
from stages.format import main as format_main
from stages.generate import main as generate_main

KEYS = ("id", "summary", "seconds", "tokens", "truncated")
SHORT = "El río creció en Logroño."
LONG = " ".join(f"En Ávila llovió el día {number}, y los niños miraron el río." for number in range(1, 30))
MINIATURE = (
    "finetuned is a miniature that knows only our made-up news; a real one: `dvc exp run -S profile=course`"
)
PROMPT = "Resume el siguiente articulo:\n\n{text}"


@pytest.fixture
def ready(base, set_params):
    """The folder of `finetuned`, an untied tiny T5; it reads 40 tokens and writes 5."""
    folder = Path("models/finetuned/flan-small")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(base, target_is_directory=True)
    set_params({"generate.max_new_tokens": 5, "tokenize.source_tokens": 40})
    return folder


@pytest.fixture
def summarized(runs, capsys):
    """A function that runs the tool and returns the lines of standard output, read as JSON with --json."""

    def call(*argv):
        capsys.readouterr()
        runs(main, *argv)
        lines = capsys.readouterr().out.splitlines()
        return [json.loads(line) for line in lines] if "--json" in argv else lines

    return call


@pytest.fixture
def type_in(monkeypatch):
    """A function that puts bytes on standard input."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def write_rows(write):
    """A function that writes rows as JSON Lines."""

    def put(name, rows):
        return write(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    return put


SETTINGS = [
    {},
    {"systems.finetuned.template": "«{text}»: summarize"},
    {"format.template": "{title}: {topic}\n{text}"},
    {"format.templates": "flan"},
    {"format.style": "conversation"},
    {"generate.num_beams": 3, "systems.finetuned.max_new_tokens": 7},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_test_article_gets_the_summary_that_generate_gives_it(
    news, ready, set_params, runs, write_rows, summarized, settings
):
    set_params(settings)
    runs(format_main)
    runs(generate_main, "finetuned")
    write_rows("mine.jsonl", read_table(Path("data/raw/test.parquet"), ["id", "text", "title", "topic"]))
    predictions = read_jsonl(Path("data/predictions/finetuned.jsonl"), ("id",))
    assert [
        (row["id"], row["summary"], row["tokens"], row["truncated"])
        for row in summarized("mine.jsonl", "--json")
    ] == [(row["id"], row["prediction"], row["source_tokens"], row["truncated"]) for row in predictions]


def test_standard_input_is_one_article(ready, write, type_in, summarized):
    write("news.txt", SHORT)
    expected = summarized("news.txt")
    assert len(expected) == 1
    for names in ([], ["-"]):
        type_in(f"\ufeff{SHORT}\n".encode())
        assert summarized(*names) == expected


def test_standard_input_may_have_an_article_a_line(ready, write_rows, type_in, summarized):
    rows = [{"text": SHORT}, {"text": LONG, "id": "largo"}]
    content = write_rows("mine.jsonl", rows).read_bytes()
    from_file = summarized("mine.jsonl", "--json")
    type_in(content)
    from_stdin = summarized("--jsonl", "--json")
    assert [row["id"] for row in from_file] == ["mine-1", "largo"]
    assert [row["id"] for row in from_stdin] == ["stdin-1", "largo"]
    assert [row["summary"] for row in from_stdin] == [row["summary"] for row in from_file]


def test_several_files_come_in_their_order_and_a_folder_by_name(
    ready, write, write_rows, type_in, summarized
):
    write("z.txt", SHORT)
    write("folder/b.txt", LONG)
    write("folder/a.txt", SHORT)
    write("folder/c.pdf", "no")
    write_rows("rows.jsonl", [{"text": LONG}])
    type_in(SHORT.encode())
    rows = summarized("z.txt", "folder", "-", "rows.jsonl", "--json")
    assert [row["id"] for row in rows] == ["z", "a", "b", "stdin", "rows-1"]
    assert rows[0]["summary"] == rows[1]["summary"] == rows[3]["summary"]
    assert rows[2]["summary"] == rows[4]["summary"] != rows[0]["summary"]
    assert all(tuple(row) == KEYS for row in rows)
    assert all(row["seconds"] > 0 for row in rows)


def test_a_table_is_read_as_json_lines_are(ready, write, write_rows, summarized):
    rows = [
        {"id": "uno", "text": f"{SHORT}\nSí, «mucho», dijo."},
        {"id": "", "text": LONG},
        {"id": "3", "text": SHORT},
    ]
    write_rows("t.jsonl", rows)
    quoted = "".join(f'{row["id"]},"{row["text"]}"\n' for row in rows)
    write("t.csv", f"id,text\n{quoted}")
    pq.write_table(pa.Table.from_pylist(rows), "t.parquet")
    output = {name: summarized(name, "--json") for name in ("t.jsonl", "t.csv", "t.parquet")}
    for name in output:
        assert [row["id"] for row in output[name]] == ["uno", "t-2", "3"]
        assert [row["summary"] for row in output[name]] == [row["summary"] for row in output["t.jsonl"]]


def test_what_a_row_has_for_the_template_stands_in_its_prompt():
    rows = articles_of([Path("mine.jsonl")], ["title", "text"])
    Path("mine.jsonl").write_text('{"text": "Llueve.", "title": "Río", "topic": 3}\n', encoding="utf-8")
    assert next(rows).values == {"title": "Río", "text": "Llueve."}


@pytest.fixture(autouse=True)
def in_project(project):
    """Every test here runs in a folder of its own."""


def test_the_companions_of_an_article_do_not_change_its_summary(ready, set_params, write_rows, summarized):
    set_params({"tokenize.source_tokens": 200})
    write_rows("mine.jsonl", [{"text": LONG[start:][: 7 * start]} for start in range(3, 40)])
    output = [summarized("mine.jsonl", "--batch-size", size) for size in ("1", "5", "100")]
    assert output[0] == output[1] == output[2]
    assert len(set(output[0])) > 3


def test_a_cut_article_is_announced_and_marked(ready, write, summarized, caplog):
    write("corto.txt", SHORT)
    write("largo.txt", LONG)
    corto, largo = summarized("corto.txt", "largo.txt", "--json")
    assert (corto["truncated"], largo["truncated"], largo["tokens"]) == (False, True, 40)
    message = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message.pop(0) == MINIATURE
    assert message == [
        "largo: 40 tokens were read, the rest was not; --windows summarizes all of it, in parts"
    ]


@pytest.mark.parametrize("num_words", [6, 20, 60, 10_000])
def test_every_sentence_is_in_one_window_and_the_windows_fit(num_words):
    def fits(text):
        return len(text.split()) <= num_words

    text = f"{LONG}\nUna frase tan larga que no cabe en ninguna ventana de seis palabras.\n\n¿Y tú? Yo no."
    parts, num_parted = windows(text, fits)
    too_long = [sentence for sentence in sentences(text) if not fits(sentence)]
    assert num_parted == len(too_long)
    assert all(map(fits, parts))
    assert [word for part in parts for word in part.split()] == text.split()
    if not too_long:
        assert [sentence for part in parts for sentence in sentences(part)] == sentences(text)
        for part, following in pairwise(parts):
            assert not fits(f"{part} {sentences(following)[0]}")  # no fewer would do


@pytest.mark.parametrize("settings", [{}, {"format.style": "conversation"}, {"format.template": "«{text}»"}])
def test_windows_read_the_whole_of_a_long_article(
    ready, write, set_params, summarized, caplog, monkeypatch, settings
):
    import resumen.generation.ours
    import resumen.prompts.truncation

    set_params({"tokenize.source_tokens": 120, **settings})
    read = []

    def encode_spied(tokenizer, prompts, limit, style):
        ids, cut = resumen.prompts.truncation.encode_truncated(tokenizer, prompts, limit, style)
        read[:] = [*ids]  # the last call is the one that is summarized
        return ids, cut

    monkeypatch.setattr(resumen.generation.ours, "encode_truncated", encode_spied)
    write("largo.txt", LONG)
    (row,) = summarized("largo.txt", "--windows", "--json")
    tokenizer = load_tokenizer(ready)
    decoded = " ".join(tokenizer.decode_batch(read, skip_special_tokens=True))
    assert len(read) > 5
    assert max(map(len, read)) <= 120
    assert row["tokens"] == sum(map(len, read))
    assert row["truncated"] is False
    assert all(decoded.count(f" {number}, y los ni") == 1 for number in range(1, 30))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [MINIATURE]


def test_the_summary_of_windows_is_theirs_in_order(ready, write, summarized):
    fits = len(encode(load_tokenizer(ready), [PROMPT.format(text="")])[0]) - 1
    parts, _ = windows(LONG, lambda text: fits + len(encode(load_tokenizer(ready), [text])[0]) <= 40)
    for number, part in enumerate(parts):
        write(f"parts/{number:02}.txt", part)
    write("largo.txt", LONG)
    assert len(parts) > 5
    assert summarized("largo.txt", "--windows") == [" ".join(filter(None, summarized("parts")))]


def test_an_article_that_fits_is_one_window(ready, write, summarized):
    write("corto.txt", SHORT)
    assert summarized("corto.txt", "--windows") == summarized("corto.txt")


def test_a_sentence_longer_than_a_window_is_parted_and_announced(ready, write, summarized, caplog):
    endless = " ".join(["y llueve"] * 100)
    write("largo.txt", f"Llueve. Nieva {endless}. Truena {endless}. Escampa.")
    (row,) = summarized("largo.txt", "--windows", "--json")
    assert row["truncated"] is False
    assert "largo: sentences longer than a window, parted: 2" in caplog.messages


def test_a_word_longer_than_a_window_is_cut_and_announced(ready, write, summarized, caplog):
    write("largo.txt", f"Llueve. {'ay' * 100} Escampa.")
    (row,) = summarized("largo.txt", "--windows", "--json")
    assert row["truncated"] is True
    message = "not the end of a word that is longer than a window"
    assert f"largo: {row['tokens']} tokens were read, {message}" in caplog.messages


def test_an_article_is_normalized_as_those_of_the_splits_are(ready, write, summarized):
    write("nfc.txt", "El niño de Soria escribió un artículo.")
    write("nfd.txt", "El nin\u0303o de\u00a0So\u00adria escribio\u0301 un arti\u0301culo.")
    nfc, nfd = summarized("nfc.txt", "nfd.txt", "--json")
    assert (nfc["tokens"], nfc["summary"]) == (nfd["tokens"], nfd["summary"])


def test_a_model_is_a_system_or_a_folder(ready, write, set_params, summarized):
    write("corto.txt", SHORT)
    set_params(
        {
            "systems.short": {
                "from": "models/finetuned/flan-small",
                "template": "Di: {text}",
                "max_new_tokens": 1,
            }
        }
    )
    assert summarized("corto.txt", "--model", "models/finetuned/flan-small") == summarized("corto.txt")
    assert summarized("corto.txt", "--model", "short") != summarized("corto.txt")


def test_a_miniature_is_named_as_such_on_standard_error(ready, write, set_params, summarized, caplog):
    write("corto.txt", SHORT)
    summarized("corto.txt")
    summarized("corto.txt", "--model", "models/finetuned/flan-small")
    assert caplog.messages == [MINIATURE, MINIATURE.replace("finetuned", "models/finetuned/flan-small")]
    caplog.clear()
    set_params({"weights": "hub"})
    assert len(summarized("corto.txt")) == 1
    assert "miniature" not in caplog.text


def test_options_take_the_place_of_the_decoding(ready, write, set_params, summarized):
    write("largo.txt", LONG)
    by_option = [summarized("largo.txt", "--beams", "3"), summarized("largo.txt", "--max-tokens", "2")]
    set_params({"systems.finetuned.num_beams": 3})
    assert summarized("largo.txt") == by_option[0]
    set_params({"systems.finetuned.num_beams": 1, "systems.finetuned.max_new_tokens": 2})
    assert summarized("largo.txt") == by_option[1]


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5"])
def test_an_option_that_is_no_number_is_refused(ready, runs, capsys, value):
    with pytest.raises(SystemExit):
        runs(main, f"--beams={value}")
    assert f"argument --beams: expected a whole number ≥ 1, got '{value}'" in capsys.readouterr().err


def test_the_memory_of_an_article_is_asked_for_first_that_of_a_batch_as_it_comes(
    ready, write, runs, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        "resumen.generation.ours.check_generation",
        lambda what, need_of, lengths, *rest: asked.append((what, list(lengths))),
    )
    write("a.txt", LONG)
    write("b.txt", SHORT)
    runs(main, "a.txt", "b.txt", "--batch-size", "8")
    (first, one), (again, batch) = asked
    assert first == again == "models/finetuned/flan-small"
    assert one == [40]
    assert batch[0] == 40 > batch[1]


MODEL_FAULTS = [
    (
        "finetund",
        "--model: neither a system of params.yaml nor a folder, got 'finetund'; did you mean finetuned?",
    ),
    (
        "gpt",
        "--model: expected a model, got 'gpt', the predictions of others/gpt.jsonl made elsewhere; "
        "take a system that is a model folder",
    ),
    (
        "flan-large",
        "models/pretrained/flan-large: no such model folder; `dvc repro` makes it (`dvc pull`, where a "
        "remote has it)",
    ),
    ("corto.txt", "corto.txt: no such model folder"),
    ("empty", "empty: no config.json; expected what save_pretrained writes"),
    ("models/pretrained/xl", "--model: 'models/pretrained/xl' is left out: no miniature"),
]


@pytest.mark.parametrize(("name", "message"), MODEL_FAULTS)
def test_a_model_that_cannot_be_run_is_refused_before_anything_is_read(
    ready, write, set_params, fails, name, message
):
    write("corto.txt", b"\xff")  # would be refused too
    set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})
    Path("empty").mkdir()
    write("models/pretrained/xl/provenance.json", '{"left_out": "no miniature", "sha256": {}}')
    assert fails(main, "corto.txt", "--model", name).startswith(message)


ENDS = "expected a name that ends in .txt, .md, .csv, .tsv, .json, .jsonl, .ndjson, .parquet"
GOOD = json.dumps({"text": SHORT}) + "\n"
FAULTS = [
    ("a.txt", b"El r\xedo.\n", "a.txt:1: not UTF-8, got byte 0xed"),
    ("a.md", b"El\n\nr\xedo.\n", "a.md:3: not UTF-8, got byte 0xed"),
    ("a.jsonl", f"{GOOD}no\n", "a.jsonl:2: not JSON: "),
    ("a.jsonl", f"{GOOD}" + '{"text": ["x"]}\n', "a.jsonl:2: column 'text': expected text, got list"),
    ("a.jsonl", GOOD.encode() + b'{"text": "r\xedo"}\n', "a.jsonl:2: not UTF-8, got byte 0xed"),
    ("a.jsonl", "\n", "a.jsonl: empty; expected a JSON object a line"),
    ("a.csv", "text\n", "a.csv: expected an article a row, got none"),
    ("a.csv", "texto\nx\n", "a.csv: lacks columns ['text'], has ['texto']"),
    ("a.csv", "text\nx,y\n", "a.csv:2: expected 1 fields, got 2"),
    ("a.parquet", "text\n", "a.parquet: not readable as Parquet"),
    (
        "a.pdf",
        "%PDF-1.7",
        "a.pdf: expected a name that ends in .txt, .md, .csv, .tsv, .json, .jsonl, .ndjson, .parquet; "
        "turn it into plain text, .txt (`pdftotext`)",
    ),
    ("a.json", "[]", "a.json: empty; expected an array of objects"),
    ("DATOS.CSV", "texto\nx\n", "DATOS.CSV: lacks columns ['text'], has ['texto']"),
    ("folder/a.pdf", "x", "folder: no .txt or .md in this folder"),
]


EMPTY = [
    ("a.txt", " \n\u200b", ["a.txt"]),
    ("a.jsonl", f"{GOOD}\n" + '{"text": ""}\n' + GOOD, ["a.jsonl:3"]),
    ("a.jsonl", f"{GOOD}" + '{"id": 1}\n', ["a.jsonl:2"]),
    ("a.jsonl", '{"text": null}\n' * 2 + GOOD * 2, ["a.jsonl:1", "a.jsonl:2"]),
    ("a.csv", f'id,text\n1,""\n2,{SHORT}\n3,NaN\n', ["a.csv: row 1", "a.csv: row 3"]),
]


@pytest.mark.parametrize(("name", "content", "places"), EMPTY)
def test_an_article_without_text_has_an_empty_summary_and_the_others_have_theirs(
    ready, write, fails, capsys, caplog, name, content, places
):
    write(name, content)
    message = f"articles without text, whose summaries are empty: {len(places)}"
    assert fails(main, name, "--json", "--batch-size", "2") == message
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [bool(row["tokens"]) for row in rows].count(False) == len(places)
    assert all(bool(row["tokens"]) or row["summary"] == "" for row in rows)
    assert [one for one in caplog.messages if "no text" in one] == [
        f"{place}: no text, so the summary is empty" for place in places
    ]


def test_standard_input_without_an_article_is_said(ready, type_in, fails):
    type_in(b"")
    assert fails(main) == "articles without text, whose summaries are empty: 1"


def test_the_columns_of_fetch_are_those_of_summarize(ready, write, set_params, summarized):
    set_params({"profiles.files.data.columns": {"text": "Cuerpo de la nota", "id": "Código"}})
    write("a.csv", f"Código;Cuerpo de la nota\n7;{SHORT}\n")
    write("b.csv", f"id;text\n8;{SHORT}\n")
    rows = summarized("a.csv", "b.csv", "--json")
    assert [row["id"] for row in rows] == ["7", "8"]
    assert rows[0]["summary"] == rows[1]["summary"]


@pytest.mark.parametrize(("name", "content", "message"), FAULTS)
def test_what_is_no_article_is_named(ready, write, fails, name, content, message):
    write(name, content)
    assert fails(main, Path(name).parts[0]).startswith(message)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("DATOS.CSV", f"id;text\n1;{SHORT}\n2;{SHORT}\n"),
        ("datos.tsv", f"id\ttext\n1\t{SHORT}\n2\t{SHORT}\n"),
        ("datos.ndjson", GOOD * 2),
        ("datos.JSONL", GOOD * 2),
    ],
)
def test_a_table_is_as_many_articles_as_it_has_rows(ready, write, summarized, name, content):
    write(name, content)
    assert len(summarized(name)) == 2


def test_a_folder_says_what_it_did_not_read(ready, write, summarized, caplog):
    for name in ("a.txt", "B.TXT", "c.md", "d.pdf", "sub/e.txt"):
        write(f"folder/{name}", SHORT)
    assert len(summarized("folder")) == 3
    assert "folder: not read: d.pdf, sub" in caplog.messages


def test_a_missing_file_is_named_before_another_is_summarized(ready, write, fails, capsys):
    write("corto.txt", SHORT)
    message = "no.txt: not found; name a file, a folder of .txt, or - for standard input"
    assert fails(main, "corto.txt", "no.txt") == message
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "argv", "message"),
    [
        (b"", ["--jsonl"], "standard input: empty; expected a JSON object a line"),
        (b"\nno", ["--jsonl"], "standard input:2: not JSON: "),
        (b"\n\xff", [], "standard input:2: not UTF-8, got byte 0xff"),
        (b"x", ["-", "-"], "-: standard input can be read once, got it 2 times"),
    ],
)
def test_a_fault_of_standard_input_is_named(ready, type_in, fails, content, argv, message):
    type_in(content)
    assert fails(main, *argv).startswith(message)


def test_a_mark_of_a_turn_is_refused_with_its_place(ready, set_params, write_rows, fails):
    set_params({"format.style": "conversation"})
    write_rows("a.jsonl", [{"text": SHORT}, {"text": "dijo [Usuario] y calló"}])
    assert fails(main, "a.jsonl").startswith("a.jsonl:2: turn 1: content: holds [Usuario]")


def test_a_limit_without_room_for_a_question_is_refused_as_a_param(ready, set_params, write, fails):
    set_params({"format.style": "conversation", "tokenize.source_tokens": 5})
    write("a.txt", SHORT)
    for option in ([], ["--windows"]):
        assert fails(main, "a.txt", *option).startswith(
            "params.yaml: tokenize.source_tokens: expected at least"
        )


def test_a_fault_keeps_the_summaries_of_the_batches_before_it(ready, write, fails, capsys):
    write("a.jsonl", GOOD * 5 + "no\n")
    assert fails(main, "a.jsonl", "--batch-size", "2").startswith("a.jsonl:6: ")
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_articles_are_read_a_batch_at_a_time(vocabulary, monkeypatch):
    taken, checked = [], []

    def endless():
        for number in count(1):
            taken.append(number)
            yield Article(f"x:{number}", str(number), {"text": f"Llueve {number} veces."})

    model = OwnModel(vocabulary, greedy(5), torch.float32, torch.device("cpu"))
    monkeypatch.setattr(model, "check_memory", lambda what, lengths, size: checked.append(lengths))
    asking = PromptStyle("{text}", "instruction")
    summarizer = Summarizer(model, lambda rows: rows, asking, 40, batch_size=3, in_windows=False)
    summaries = summarizer.summarize(endless())
    assert [next(summaries)["summary"] for _ in range(4)] == [f"Llueve {n} veces." for n in range(1, 5)]
    assert taken == [1, 2, 3, 4, 5, 6]
    assert [len(lengths) for lengths in checked] == [3, 3]


def test_lines_are_read_only_as_they_are_needed(write):
    write("a.jsonl", GOOD * 100_000 + "no\n")
    articles = articles_of([Path("a.jsonl")], ["text"])
    assert [next(articles).id for _ in range(2)] == ["a-1", "a-2"]


def test_a_summary_is_written_before_the_next_is_made(capsys):
    seen = []

    def summaries():
        for number in range(3):
            seen.append(capsys.readouterr().out)
            yield {"summary": f"dos\nlíneas {number}", "tokens": 1}

    write_summaries(summaries(), as_json=False)
    assert [*seen, capsys.readouterr().out] == ["", "dos líneas 0\n", "dos líneas 1\n", "dos líneas 2\n"]


def test_help_has_an_example(runs, capsys):
    with pytest.raises(SystemExit) as stopped:
        runs(main, "--help")
    assert stopped.value.code == 0
    assert "resumen summarize news.txt" in capsys.readouterr().out


def test_out_of_memory_is_one_line(ready, write, fails, set_params, monkeypatch):
    def full(*given):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("resumen.tools.summarizer.generate_in_batches", full)
    write("a.txt", SHORT)
    message = "--batch-size: out of memory: 2.00 GiB more were asked for; lower --batch-size from 8 to 4"
    assert fails(main, "a.txt", "--batch-size", "8") == message
    assert fails(main, "a.txt").startswith("generate.batch_size: out of memory")
    set_params({"systems.finetuned.batch_size": 6})
    assert fails(main, "a.txt").endswith("lower systems.finetuned.batch_size from 6 to 3")
    monkeypatch.setattr("resumen.generation.ours.load_t5", full)
    assert fails(main, "a.txt").startswith(
        "summarize: out of memory: 2.00 GiB more were asked for; take a smaller"
    )
