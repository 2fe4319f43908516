"""Show: a row at every border, where it is cut, what no vocabulary spells, what no article says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from resumen.prompts.truncation import encode_lines, truncate_turns
from resumen.runtime.jsonfiles import read_json
from resumen.schema.jsonl import read_jsonl, write_jsonl
from resumen.schema.predictions import write_meta
from resumen.schema.rows import CONVERSATIONS, RAW, TEXTS, read_table, write_table
from resumen.schema.systems import EXTRACTIVE
from resumen.text.conversation import render_conversation
from resumen.text.words import words
from resumen.tools.show import main, marked, shortened, side_view, spaced
from resumen.vocabulary.tokenizer import encode, load_tokenizer
from stages.evaluate import score_all, scores_schema
from stages.extract import main as extract
from stages.format import main as format_
from stages.tokenize import main as tokenize
from tests.helpers.conversations import GOLDEN, assistant, random_messages, user
from tests.helpers.paths import ROOT

BORDERS = ("raw", "formatted", "tokenized", "predictions")
MADE = "Cádiz: la helada dañó las flores."  # the article of test-2 has all but Cádiz


@pytest.fixture
def finished(tokenized, set_params, runs):
    """The project with predictions of two systems and their scores, as `evaluate` would leave it."""
    set_params(
        {
            "systems": {
                "finetuned": {"from": "models/finetuned/flan-small"},
                "gpt": {"from": "others/gpt.jsonl"},
            }
        }
    )
    runs(extract)
    rows = tokenized["test"]
    for system, tokens in (("finetuned", 60), ("gpt", None)):
        summary = {"prediction": MADE, "source_tokens": tokens, "truncated": tokens and True}
        output = [{"id": row["id"], **summary, "spelled_reference": row["summary"]} for row in rows]
        write_jsonl(Path(f"data/predictions/{system}.jsonl"), output)
        write_meta(system, {})
    systems = [*EXTRACTIVE, "finetuned", "gpt"]
    keys = ("id", "prediction", "spelled_reference")
    output = {name: list(read_jsonl(Path(f"data/predictions/{name}.jsonl"), keys)) for name in systems}
    write_table(Path("data/scores.parquet"), score_all(rows, output, "none", "es"), scores_schema("es"))
    return tokenized


@pytest.fixture
def shows(runs, capsys, monkeypatch):
    """A function that runs the command and returns what it prints, in lines of 100 columns unless told."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*argv, columns=100):
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        runs(main, *argv)
        return capsys.readouterr().out

    return call


@pytest.fixture
def view(shows):
    """A function that returns the JSON of a row."""
    return lambda *argv: json.loads(shows(*argv, "--json"))


def test_a_system_that_was_left_out_says_why(finished, view):
    write_meta("finetuned", {"left_out": "no miniature"})
    systems = {row["system"]: row for row in view("test-1")["predictions"]["systems"]}
    assert systems["finetuned"] == {"system": "finetuned", "problem": "left out: no miniature"}
    assert "prediction" in systems["lead-3"]


def squeezed(text):
    return " ".join(text.split())


def change_raw(rows, **values):
    """Write the raw test articles with other values."""
    write_table(Path("data/raw/test.parquet"), [{**row, **values} for row in rows], RAW)


def read_row(path, row_id):
    columns = ["id", "prompt", "completion"] if "formatted" in str(path) else ["id", "input_ids", "labels"]
    return next(row for row in read_table(Path(path), columns) if row["id"] == row_id)


def test_every_border_is_shown(finished, shows):
    text = shows("test-2")
    indices = [text.index(f"\n{number} {name} ") for number, name in enumerate(BORDERS, start=1)]
    assert indices == sorted(indices)
    row = finished["test"][1]
    texts = (row["text"], row["summary"], "Resume el siguiente articulo:")
    for shown in (*texts, *EXTRACTIVE, "finetuned", "gpt"):
        assert squeezed(shown) in squeezed(text)
    assert "not shown" not in text


def test_without_an_id_it_is_the_first_test_article(finished, shows):
    assert shows() == shows("test-1")
    assert shows("--split", "train") == shows("train-1")


def test_json_has_every_border_and_the_values_of_the_files(finished, view):
    result = view("test-2")
    assert list(result) == ["id", "split", *BORDERS]
    formatted = read_row("data/formatted/test.parquet", "test-2")
    assert result["formatted"] == {name: formatted[name] for name in ("prompt", "completion")}
    stored = read_row("data/tokenized/flan-small/test.parquet", "test-2")
    assert result["tokenized"]["source"]["ids"] == stored["input_ids"]
    assert result["tokenized"]["labels"]["ids"] == stored["labels"]
    scores = next(
        row
        for row in read_table(Path("data/scores.parquet"), scores_schema("es").names)
        if (row["system"], row["id"]) == ("gpt", "test-2")
    )
    shown = result["predictions"]["systems"][-1]
    assert (shown["system"], shown["prediction"]) == ("gpt", MADE)
    assert {"system": "gpt", "id": "test-2", **shown["scores"]} == scores


def test_what_is_read_and_what_is_cut_make_up_the_prompt(finished, view, shows):
    for number in (1, 2, 3, 4, 24):  # each article, and the last
        result = view(f"train-{number}")
        source, prompt = result["tokenized"]["source"], result["formatted"]["prompt"]
        uncut = encode(load_tokenizer(Path("data/tokenized/flan-small/tokenizer")), [prompt])[0]
        assert source["of"] == len(uncut)
        if len(uncut) <= 60:
            assert source["gaps"] == []
            assert f"all {len(uncut)} pieces are read" in shows(f"train-{number}")
            continue
        (gap,) = source["gaps"]
        assert (gap["before"], gap["pieces"]) == (59, len(uncut) - 60)
        assert prompt.endswith(gap["text"])
        assert f"60 of {len(uncut)} pieces are read" in shows(f"train-{number}")
        assert f"✂{gap['pieces']} </s>" in squeezed(shows(f"train-{number}"))
    assert gap["text"].endswith("Pasó el día 24.")


def test_the_words_of_the_reference_that_only_the_cut_has_are_named(finished, set_params, runs, view, shows):
    assert view("test-4")["tokenized"]["wanted_and_cut"] == []  # "compra" is nowhere in the article
    change_raw(finished["test"], text="Logroño compró doce autobuses. Llegarán en otoño a Logroño.")
    runs(format_)
    set_params({"tokenize.source_tokens": 27})
    runs(tokenize, "flan-small")
    result = view("test-4")["tokenized"]
    assert result["source"]["gaps"][0]["text"] == "doce autobuses. Llegarán en otoño a Logroño."
    assert result["wanted_and_cut"] == ["doce", "autobuses"]
    assert "these words stand only in what is cut: doce autobuses" in squeezed(shows("test-4"))


def test_unk_is_marked_with_its_letters_in_the_bases_vocabulary_only(finished, view, shows):
    before, after = view("train-1")["tokenized"]["vocabularies"]
    assert (before["vocabulary"], after["num_unk"], after["lost"]) == ("flan-small", 0, [])
    assert before["num_unk"] == sum(piece.startswith("<unk:") for piece in before["pieces"]) > 0
    assert {"word": "Ávila", "written": "vila"} in before["lost"]
    assert "<unk:Á>" in before["pieces"]
    text = shows("train-1")
    assert "Ávila → vila" in text
    assert "<unk:Á>" in text


def test_without_the_repair_the_fine_tuned_model_loses_letters_too(finished, set_params, runs, view):
    set_params({"tokenize.spell_spanish": False})
    runs(tokenize, "flan-small")
    result = view("train-1")["tokenized"]
    assert result["vocabularies"][1]["lost"] == result["vocabularies"][0]["lost"] != []
    assert result["labels"]["num_unk"] > 0


def test_padding_is_counted_under_longest_and_shown_to_be_none_under_dynamic(
    finished, set_params, runs, view, shows
):
    dynamic = view("test-1")["tokenized"]
    assert dynamic["padding"] == {"kind": "dynamic", "source": 0, "labels": 0}
    assert "none stored" in shows("test-1")
    set_params({"tokenize.padding": "longest"})
    runs(tokenize, "flan-small")
    longest = view("test-1")["tokenized"]
    row = next(
        read_table(Path("data/tokenized/flan-small/test.parquet"), ["input_ids", "attention_mask", "labels"])
    )
    padding = {"source": row["attention_mask"].count(0), "labels": row["labels"].count(-100)}
    assert longest["padding"] == {"kind": "longest", **padding}
    assert padding["labels"] > 0
    assert f"{padding['source']} positions of the source, {padding['labels']} of the labels (-100" in shows()
    assert {**longest, "padding": None} == {**dynamic, "padding": None}


def test_a_completion_that_is_too_long_shows_its_cut(finished, set_params, runs, view):
    set_params({"tokenize.target_tokens": 6})
    runs(tokenize, "flan-small")
    labels = view("test-1")["tokenized"]["labels"]
    assert (len(labels["ids"]), labels["pieces"][-1]) == (6, "</s>")
    assert finished["test"][0]["summary"].endswith(labels["gaps"][0]["text"])


def test_words_that_the_article_does_not_have_are_marked(finished, view, shows):
    assert "[Cádiz]: la helada dañó las flores." in shows("test-2", "--system", "gpt")
    assert view("test-2", "--system", "gpt")["predictions"]["systems"][0]["words_not_in_article"] == ["cádiz"]


def test_one_system_alone_is_shown_when_it_is_named(finished, view):
    assert [row["system"] for row in view("--system", "gpt")["predictions"]["systems"]] == ["gpt"]


def test_what_a_system_read_and_was_asked_is_said_where_it_is_known(finished, set_params, shows):
    assert "models/finetuned/flan-small, read 60 pieces, its prompt was cut" in shows()
    assert "others/gpt.jsonl\n" in shows()
    set_params({"systems.finetuned.template": "summarize: {text}"})
    assert "models/finetuned/flan-small, asked 'summarize: {text}', read 60 pieces" in squeezed(shows())


def test_a_miniature_is_named_as_such(finished, set_params, view, shows):
    def miniatures():
        return [row["system"] for row in view()["predictions"]["systems"] if row["miniature"]]

    assert miniatures() == ["finetuned"]
    assert "finetuned a miniature, models/finetuned/flan-small, read 60 pieces" in squeezed(shows())
    set_params({"weights": "hub"})
    assert miniatures() == []
    assert "finetuned models/finetuned/flan-small, read 60 pieces" in squeezed(shows())
    assert "miniature" not in shows()


def test_a_training_row_has_no_predictions(finished, view, shows):
    assert list(view("train-5")["predictions"]) == ["problem"]
    message = "only test articles are summarized and scored, and this is a row of train"
    assert message in squeezed(shows("train-5"))


MISSING = [
    ("data/formatted/test.parquet", "formatted", "format"),
    ("data/tokenized/flan-small/test.parquet", "tokenized", "tokenize@flan-small"),
    ("models/pretrained/flan-small", "tokenized", "weights@flan-small"),
]


@pytest.mark.parametrize(("name", "border", "stage"), MISSING)
def test_a_border_that_is_not_there_names_the_stage_that_makes_it(finished, view, name, border, stage):
    Path(name).rename("elsewhere")
    result = view()
    assert result[border] == {"problem": f"{name}: not found; `dvc repro {stage}` makes it"}
    assert "problem" not in result["raw"]
    assert "systems" in result["predictions"]


def test_predictions_and_scores_that_are_not_there_name_their_stages(finished, view, shows):
    for name in ("predictions/gpt.jsonl", "predictions/oracle.jsonl", "scores.parquet"):
        Path(f"data/{name}").unlink()
    result = view()["predictions"]
    problems = {row["system"]: row["problem"] for row in result["systems"] if "problem" in row}
    assert problems == {
        "oracle": "data/predictions/oracle.jsonl: not found; `dvc repro extract` makes it",
        "gpt": "data/predictions/gpt.jsonl: not found; `dvc repro generate@gpt` makes it",
    }
    assert result["scores_problem"] == "data/scores.parquet: not found; `dvc repro evaluate` makes it"
    assert "no scores yet" in shows()
    assert problems["gpt"] in squeezed(shows())


def test_ids_of_another_prompt_are_not_shown_as_its_own(finished, set_params, runs, view):
    set_params({"format.template": "Di en pocas palabras:\n\n{text}"})
    runs(format_)
    assert view()["tokenized"] == {
        "problem": "data/tokenized: not the ids of data/formatted; `dvc repro tokenize` makes them"
    }


def test_no_raw_data_is_a_fault_that_names_fetch(project, fails):
    assert fails(main) == "data/raw/test.parquet: not found; `dvc repro fetch` makes it"


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("tets-2", "did you mean test-2"),
        ("¿?", "take one of those"),
        ("5", "did you mean test-5 or validation-5 or train-5?"),
    ],
)
def test_an_unknown_id_is_refused_with_the_nearest_and_how_ids_look(finished, fails, given, near):
    message = fails(main, given)
    assert message.startswith(f"data/raw: no row has this id, got {given!r}; ids are test-1 … test-6, ")
    assert near in message


def test_a_split_is_searched_alone_when_it_is_named(finished, fails):
    message = fails(main, "test-1", "--split", "train")
    assert message.startswith("data/raw/train.parquet: no row has this id, got 'test-1'; ids are train-1 … ")


def test_an_unknown_system_is_refused_with_the_nearest(finished, fails):
    assert fails(main, "--system", "gtp") == "--system: no such system, got 'gtp'; did you mean gpt?"


LONG = [
    user("¿Cuánta agua cabe en un tejado? " * 4),
    assistant("Mucha, según Íñiga. " * 3),
    *GOLDEN,
    assistant("En el Mediterráneo."),
]


def test_a_conversation_shows_its_turns_and_the_oldest_as_cut(project, base, set_params, runs, view, shows):
    set_params({"format.style": "conversation", "tokenize.source_tokens": 110})
    row = dict.fromkeys(TEXTS, "") | {"messages": LONG}
    row |= {"text": LONG[-2]["content"], "summary": LONG[-1]["content"]}
    for split in ("train", "validation", "test"):
        write_table(Path(f"data/raw/{split}.parquet"), [{**row, "id": f"{split}-1"}], CONVERSATIONS)
    runs(format_)
    runs(tokenize, "flan-small")
    result = view()
    assert result["raw"]["messages"] == LONG
    (gap,) = result["tokenized"]["source"]["gaps"]
    header = (
        len(encode(load_tokenizer(Path("data/tokenized/flan-small/tokenizer")), ["Conversación:"])[0]) - 1
    )
    assert gap["before"] == header
    assert (
        render_conversation(LONG[:-1])
        == f"Conversación:\n{gap['text']}\n{render_conversation(GOLDEN).split(chr(10), 1)[1]}"
    )
    text = squeezed(shows())
    assert f"✂{gap['pieces']} ▁" in text
    assert "assistant En el Mediterráneo." in text


def test_what_is_marked_as_read_is_what_tokenize_leaves_of_a_conversation(vocabulary):
    tokenizer = load_tokenizer(vocabulary)
    prompts = [render_conversation(random_messages(seed)) for seed in range(40)]
    for prompt, lines in zip(prompts, encode_lines(tokenizer, prompts), strict=True):
        num_ids = sum(map(len, lines))
        for maximum in range(len(lines[0]) + len(lines[-1]) + 1, num_ids + 2, 7):
            shown = side_view(tokenizer, prompt, truncate_turns(lines, maximum), "conversation")
            assert len(shown["pieces"]) + sum(gap["pieces"] for gap in shown["gaps"]) == num_ids


def test_a_long_text_is_elided_in_the_middle_unless_all_of_it_is_wanted(finished, shows):
    change_raw(finished["test"], text=" ".join(f"palabra{n}" for n in range(300)))
    assert "… 240 words …" in squeezed(shows())
    assert "palabra150" not in shows()
    assert "palabra150" in shows("--full")
    assert "words …" not in shows("--full")


def test_the_number_left_out_and_the_words_shown_are_all_words():
    short = shortened(Text("\n".join(f"w{number}" for number in range(100))), "words").plain
    assert short.count("w") - short.count("words") + 40 == 100
    assert "… 40 words …" in short


def test_the_cut_is_seen_where_the_middle_of_the_pieces_is_left_out():
    pieces = [f"▁{number}" for number in range(200)]
    shown = shortened(spaced(pieces, [{"before": 199, "pieces": 9}]), "pieces").plain
    assert shown.endswith("▁198 ✂9 ▁199")
    assert "… 141 pieces …" in shown


@pytest.mark.parametrize(("columns", "width"), [(60, 60), (100, 100), (300, 110)])
def test_no_line_is_wider_than_asked_or_than_is_read_with_ease(finished, shows, columns, width):
    assert width - 10 < max(map(len, shows("test-2", "--full", columns=columns).splitlines())) <= width


def test_an_address_and_a_path_are_in_one_line_to_be_copied(finished, shows):
    address = f"https://noticias.example/{'2019/' * 20}"
    change_raw(finished["test"], url=address)
    text = shows(columns=20)
    assert f" {address}\n" in text
    assert "data/tokenized/flan-small/test.parquet;\n" in text


def test_a_text_cannot_command_the_terminal_and_is_no_markup(finished, shows):
    change_raw(finished["test"], title="\x1b[31m[red]rojo[/red] :smile:\ue000")
    text = shows()
    assert "�[31m[red]rojo[/red] :smile:�" in text
    assert "\x1b" not in text


TERMINALS = [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]


@pytest.mark.parametrize(("environment", "expected"), TERMINALS)
def test_colour_is_for_terminals_that_want_it(finished, shows, monkeypatch, environment, expected):
    plain = shows(columns=80)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    shown = shows(columns=80)
    assert ("\x1b[33m[Cádiz]\x1b[0m" in shown, shown != plain) == (expected, expected)
    assert re.sub(r"\x1b\[\d*m", "", shown) == plain


def test_case_and_accents_decide_what_is_new():
    summary = "El RÍO crecio, niño_1"
    new = set(words(summary)) - set(words("El río creció. Niño"))
    assert marked(summary, new).plain == "El RÍO [crecio], niño_[1]"


def test_a_label_longer_than_its_column_has_a_line_of_its_own(finished, set_params, shows):
    set_params({"systems": {"a-very-long-name-of-a-system": {"from": "others/gpt.jsonl"}}})
    assert f"\n  a-very-long-name-of-a-system\n{' ' * 16}data/predictions/a-very-long" in shows()


def test_torch_is_not_imported():
    code = (
        "import resumen.tools.show, sys; print([name for name in ('torch', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_reader_that_stops_early_ends_it_quietly(finished):
    command = f"set -o pipefail; {sys.executable} -m resumen show --full | true"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 141)  # 141: the pipe broke
    assert done.stderr == b""


def test_nothing_is_written(finished, shows):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    shows()
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    assert read_json(Path("metrics/tokenize/flan-small.json"))
