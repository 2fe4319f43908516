"""Format: every raw row becomes a prompt that holds its article, in the same order."""

from pathlib import Path

import pytest

from resumen.prompts.templates import draw_pair, read_sets
from resumen.schema.rows import CONVERSATIONS, FORMATTED, RAW, SPLITS, TEXTS, read_table, write_table
from resumen.schema.sections import STYLES
from resumen.text.characters import collapse_white_space
from resumen.text.conversation import parse_conversation
from stages.format import main
from tests.helpers.conversations import GOLDEN, GOLDEN_PROMPT, assistant, random_messages


def rows_of(split):
    return list(read_table(Path(f"data/formatted/{split}.parquet"), FORMATTED.names))


def test_every_row_keeps_its_place_its_article_and_its_summary(formatted):
    for split in SPLITS:
        assert rows_of(split) == [
            {
                "id": row["id"],
                "prompt": f"Resume el siguiente articulo:\n\n{row['text']}",
                "completion": row["summary"],
            }
            for row in formatted[split]
        ]


def test_title_and_topic_fill_a_template_that_names_them(news, set_params, runs):
    set_params({"format.template": "[{topic}|{title}] {text}", "format.completion": "{topic}: {summary}"})
    runs(main)
    first = news["test"][0]
    assert rows_of("test")[0] == {
        "id": first["id"],
        "prompt": f"[sociedad|] {first['text']}",
        "completion": f"sociedad: {first['summary']}",
    }


def test_a_template_without_the_article_is_refused(news, set_params, fails):
    set_params({"format.template": "Resume el artículo."})
    message = "params.yaml: format.template: must hold {text} once, got 'Resume el artículo.'"
    assert fails(main) == message


def test_a_damaged_split_leaves_nothing_new(formatted, fails):
    path = Path("data/raw/test.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert fails(main).startswith("data/raw/test.parquet: not readable as Parquet: ")


CONVERSATION = [*GOLDEN, assistant("En el Mediterráneo,\njunto a Deltebre.")]


def conversations(project, splits=None):
    """Write data/raw with one conversation a split, or those of `splits`."""
    for split in SPLITS:
        rows = []
        for number, messages in enumerate((splits or {}).get(split, [CONVERSATION]), start=1):
            contents = [message["content"] for message in messages]
            row = {"id": f"{split}-{number}", "text": "\n".join(contents[:-1]), "summary": contents[-1]}
            rows.append(dict.fromkeys(TEXTS, "") | row | {"messages": messages})
        write_table(project / f"data/raw/{split}.parquet", rows, CONVERSATIONS)


def test_messages_become_a_conversation_before_its_answer(project, set_params, runs):
    conversations(project)
    set_params({"format.style": "conversation"})
    runs(main)
    for split in SPLITS:
        assert rows_of(split) == [
            {
                "id": f"{split}-1",
                "prompt": GOLDEN_PROMPT,
                "completion": "En el Mediterráneo,\njunto a Deltebre.",
            }
        ]


def test_every_conversation_can_be_read_back_from_its_prompt(project, set_params, runs):
    given = [[*random_messages(seed), assistant(f"Sí {seed}.")] for seed in range(200)]
    conversations(project, {"train": given})
    set_params({"format.style": "conversation"})
    runs(main)
    rows = rows_of("train")
    assert [row["completion"] for row in rows] == [f"Sí {seed}." for seed in range(200)]
    for row, (*asked, _) in zip(rows, given, strict=True):
        assert parse_conversation(row["prompt"]) == [
            {**turn, "content": collapse_white_space(turn["content"])} for turn in asked
        ]


def test_an_instruction_takes_the_text_of_a_conversation(project, runs):
    conversations(project)
    runs(main)
    text = "\n".join(turn["content"] for turn in GOLDEN)
    assert rows_of("test")[0]["prompt"] == f"Resume el siguiente articulo:\n\n{text}"
    assert rows_of("test")[0]["completion"] == CONVERSATION[-1]["content"]


def test_an_article_becomes_a_users_one_turn(news, set_params, runs):
    set_params({"format.style": "conversation", "format.completion": "{topic}: {summary}"})
    runs(main)
    for split in SPLITS:
        assert rows_of(split) == [
            {
                "id": row["id"],
                "prompt": "Conversación:\n[Usuario] Resume el siguiente articulo: "
                + " ".join(row["text"].split())
                + "\n[Asistente]",
                "completion": f"sociedad: {row['summary']}",
            }
            for row in news[split]
        ]


def test_an_article_that_holds_a_mark_is_refused_with_its_row(news, set_params, fails):
    rows = [dict(row) for row in news["validation"]]
    rows[2]["text"] = "Dijo [Usuario] y calló."
    write_table(Path("data/raw/validation.parquet"), rows, RAW)
    set_params({"format.style": "conversation"})
    assert fails(main) == (
        "data/raw/validation.parquet: row 3 (id 'validation-3'): turn 1: content: holds [Usuario], which "
        "would look like a turn, got 'Resume el siguiente articulo:\\n\\nDijo [Usuario] y calló.'; write it "
        "in another way, or leave the row out"
    )


def test_a_mark_in_an_article_is_no_matter_under_instruction(news, runs):
    rows = [dict(row, text="Dijo [Usuario] y calló.") for row in news["validation"]]
    write_table(Path("data/raw/validation.parquet"), rows, RAW)
    runs(main)
    assert rows_of("validation")[0]["prompt"].endswith("Dijo [Usuario] y calló.")


MARKED = [
    (
        {"format.template": "[Usuario] {text}"},
        "params.yaml: format.template: holds [Usuario], which style conv",
    ),
    (
        {"format.completion": "[Asistente] {summary}"},
        "params.yaml: format.completion: holds [Asistente], which",
    ),
    (
        {"format.templates": "own"},
        "prompts/templates.yaml: own: pair 2.prompt: holds [Usuario], which style conver",
    ),
]
OWN = """\
own:
  - {source: a, prompt: "Uno: {text}", completion: "{summary}"}
  - {source: b, prompt: "[Usuario] Dos: {text}", completion: "{summary}"}
"""


@pytest.mark.parametrize(("changes", "message"), MARKED)
def test_a_mark_in_a_template_is_refused_where_the_style_puts_its_own(
    news, write, set_params, runs, fails, changes, message
):
    write("prompts/templates.yaml", OWN)
    set_params({"format.style": "conversation", **changes})
    assert fails(main).startswith(message)
    set_params({"format.style": "instruction"})
    runs(main)
    assert len(rows_of("test")) == len(news["test"])


def test_an_unknown_style_is_refused_with_the_known_ones(news, set_params, fails):
    set_params({"format.style": "conversacion"})
    message = "unknown style, expected instruction or conversation, got 'conversacion'"
    assert fails(main) == f"params.yaml: format.style: {message}"


def test_a_completion_that_holds_the_article_is_refused(news, set_params, fails):
    set_params({"format.completion": "{summary} {text}"})
    message = "unknown field {text}, expected {summary} once; known are {summary}, {title}, {topic}"
    assert fails(main) == f"params.yaml: format.completion: {message}, got '{{summary}} {{text}}'"


def asked(split, article):
    """Return the way in which each row of a split is asked, by id: its prompt around the article."""
    return {row["id"]: row["prompt"].replace(article[row["id"]], "{text}") for row in rows_of(split)}


@pytest.mark.parametrize("style", STYLES)
def test_a_set_asks_each_training_row_in_a_way_of_its_own(news, set_params, runs, style):
    set_params({"format.templates": "flan", "format.style": style})
    runs(main)
    pairs = read_sets()["flan"]
    rendered = {
        "instruction": lambda prompt: prompt,
        "conversation": lambda prompt: (
            f"Conversación:\n[Usuario] {collapse_white_space(prompt)}\n[Asistente]"
        ),
    }[style]
    ways = [rendered(pair.prompt) for pair in pairs]
    article = {
        row["id"]: row["text"] if style == "instruction" else collapse_white_space(row["text"])
        for split in SPLITS
        for row in news[split]
    }
    train = asked("train", article)
    assert train == {row["id"]: rendered(draw_pair(pairs, 3, row["id"]).prompt) for row in news["train"]}
    assert len(set(train.values())) > 3
    for split in ("validation", "test"):
        assert set(asked(split, article).values()) == {ways[0]}
    assert [row["completion"] for row in rows_of("train")] == [row["summary"] for row in news["train"]]


def test_other_rows_or_their_order_do_not_change_how_a_row_is_asked(news, set_params, runs):
    set_params({"format.templates": "flan"})
    runs(main)
    before = {row["id"]: row for row in rows_of("train")}
    write_table(Path("data/raw/train.parquet"), news["train"][::-2], RAW)
    runs(main)
    after = rows_of("train")
    assert [row["id"] for row in after] == [row["id"] for row in news["train"][::-2]]
    assert all(before[row["id"]] == row for row in after)


def test_another_seed_asks_in_other_ways_and_only_in_train(news, set_params, runs):
    output = []
    for seed in (3, 3, 4):
        set_params({"format.templates": "flan", "format.seed": seed})
        runs(main)
        output.append({split: rows_of(split) for split in SPLITS})
    assert output[0] == output[1]
    assert output[0]["train"] != output[2]["train"]
    assert output[0]["test"] == output[2]["test"]


def test_a_seed_that_is_no_number_is_refused(news, set_params, fails):
    set_params({"format.seed": -1})
    assert fails(main) == "params.yaml: format.seed: expected greater than or equal to 0, got -1"


def test_a_set_that_is_not_there_is_refused_with_the_known_ones(news, set_params, fails):
    set_params({"format.templates": "flam"})
    message = "format.templates: no set 'flam' in prompts/templates.yaml; did you mean flan?"
    assert fails(main) == f"params.yaml: {message}"


def test_without_a_set_its_file_is_not_read(news, write, runs):
    write("prompts/templates.yaml", "not: [yaml")
    runs(main)
    assert rows_of("test")[0]["prompt"].startswith("Resume el siguiente articulo:\n\n")
