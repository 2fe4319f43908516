"""Format: every raw row becomes a prompt that holds its article, in the same order."""

from pathlib import Path

from stages.format import main
from stages.shared.files import FORMATTED, SPLITS, read_table


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
