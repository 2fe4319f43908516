"""Report: one page that escapes what it shows, the answer in sentences, a card that the Hub reads."""

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from jinja2 import Environment

from stages.report import (
    MARKS,
    answer_of,
    exact_table,
    main,
    markdown_table,
    metadata,
    played_by,
    text_table,
    what_is,
    with_results,
)
from stages.shared.files import read_json, write_json
from stages.shared.mlsum import MLSUM_LICENCE
from stages.shared.params import read_params
from stages.shared.systems import SystemParams, base_system
from tests.conftest import SCRIPT

ROOT = Path(__file__).resolve().parent.parent


def escaped(text: str) -> str:
    """Return `text` as the page's templates write it."""
    return Environment(autoescape=True).from_string("{{ text }}").render(text=text)


def report():
    return Path("reports/report.html").read_text(encoding="utf-8")


def test_the_page_escapes_what_a_system_wrote(small_run, runs):
    runs(main)
    assert report().count("<script") == 2  # ours: the data of the explorer, and what shows them
    assert "\\u003cscript\\u003ealert('hola')\\u003c/script\\u003e" in report()


def test_the_page_shows_every_system_its_scores_and_the_signature(small_run, runs):
    runs(main)
    for path in Path("metrics/systems").iterdir():
        assert path.stem in report()
        assert f"{read_json(path)['rougeL']:.2f}" in report()
    assert "words:unicode" in report()


def test_the_page_needs_no_network(small_run, runs):
    runs(main)
    assert not re.findall(r"https?:|url\(|@import|<link", report())
    assert "src=" not in report()


def test_the_card_is_read_by_the_hub(small_run, runs):
    runs(main)
    data = ModelCard.load("reports/model_card.md").data
    assert (data.language, data.base_model) == ("es", None)  # the weights are a miniature's
    scores = read_json(Path("metrics/systems/finetuned.json"))
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        name.lower(): scores[name] for name in ("rouge1", "rouge2", "rougeL")
    }


@pytest.mark.parametrize(
    ("changes", "base_model"),
    [
        ({"weights": "hub"}, "google/flan-t5-small"),
        ({"profile": "mlsum", "finetune.base": "t5-base"}, "google-t5/t5-base"),
        ({"weights": "embedded"}, None),
        ({"weights": "hub", "checkpoints.flan-small": {"folder": "own"}}, None),
    ],
)
def test_the_card_names_a_base_only_where_its_weights_are_the_hubs(set_params, changes, base_model):
    set_params(changes)
    assert yaml.safe_load(metadata(read_params(), [], {})).get("base_model") == base_model


@pytest.mark.parametrize("source", ["embedded", "files", "hub"])
def test_the_card_speaks_of_mlsums_licence_only_where_that_was_read(small_run, runs, source):
    audit = read_json(Path("metrics/data.json"))
    origin = {
        "source": source,
        "repo": "reciTAL/mlsum",
        "commit": "0" * 40,
        "data_dir": "es",
        "file": "a.csv",
        "licence": MLSUM_LICENCE,
    }
    write_json(Path("metrics/data.json"), {**audit, "provenance": [origin | audit["provenance"][0] | origin]})
    runs(main)
    card = Path("reports/model_card.md").read_text(encoding="utf-8")
    assert ("non-commercial research only" in card) == (source == "hub")
    assert "Summaries can be wrong" in card


def test_a_miniature_is_never_shown_under_a_real_models_name_alone(small_run, runs):
    runs(main)
    assert "miniature, standing in for google/flan-t5-small" in report()
    assert "**Miniature.**" in Path("reports/model_card.md").read_text(encoding="utf-8")


def test_equal_runs_give_equal_bytes(small_run, runs):
    made = []
    for _ in range(2):
        runs(main)
        made.append([path.read_bytes() for path in sorted(Path("reports").iterdir())])
    assert made[0] == made[1]


def answers_of(system):
    return [json.loads(line) for line in Path(f"data/answers/{system}.jsonl").open(encoding="utf-8")]


def put_answers(write, system, rows):
    write(f"data/answers/{system}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def probe_part():
    """Return the part of the page on the probes."""
    return report().split('<h2 id="probes">')[1].split("<h2")[0]


def test_the_page_shows_every_prompt_of_ours_by_kind_with_every_systems_answer(small_run, runs):
    runs(main)
    page, rows = probe_part(), answers_of("flan-small")
    own = [row for row in rows if not row["id"].startswith("news-")]
    places = [page.index(escaped(row["prompt"])) for row in own]
    assert places == sorted(places)
    assert len(own) >= 16
    for kind in {row["kind"] for row in own}:
        assert page.count(f"<summary>{kind}</summary>") == 1
    assert page.count('<th scope="row">finetuned</th><td>') == len(own) + 3
    assert '<th scope="row">gpt</th>' not in page  # it answers nothing


def test_the_page_shows_one_question_about_news_of_each_kind_and_not_the_others(small_run, runs):
    runs(main)
    news = [row for row in answers_of("flan-small") if row["id"].startswith("news-")]
    shown = [row["id"] for row in news if escaped(row["prompt"]) in probe_part()]
    assert len(news) == 12
    assert shown == ["news-who-001", "news-number-001", "news-other-001"]


def test_the_page_marks_what_is_right_and_what_is_wrong_and_only_that(small_run, write, runs):
    rows = answers_of("flan-small")
    (right, wrong), openly = [row for row in rows if row["kind"] == "question-text"][:2], rows[0]
    right["answer"], wrong["answer"] = f"«{right['reference'].upper()}»", "neither of them"
    openly["answer"] = "nobody is right here"
    put_answers(write, "flan-small", rows)
    runs(main)
    assert f'<td>{right["answer"]}</td>\n<td class="n">✓ right</td>' in probe_part()
    assert '<td>neither of them</td>\n<td class="n">✗ wrong</td>' in probe_part()
    assert "<td>nobody is right here</td>\n</tr>" in probe_part()
    assert f"Right: <strong>{right['reference']}</strong>" in probe_part()
    with_one = [row for row in rows if row["reference"] and not row["id"].startswith("news-")]
    assert probe_part().count("Right: <strong>") == len(with_one) + 3


def test_the_page_escapes_prompts_answers_and_references(small_run, write, runs):
    for system in ("flan-small", "finetuned"):
        rows = answers_of(system)
        rows[0] |= {"prompt": SCRIPT, "answer": SCRIPT, "reference": SCRIPT}
        put_answers(write, system, rows)
    runs(main)
    assert "<script" not in probe_part()
    assert probe_part().count(escaped(SCRIPT)) == 4  # the prompt, the reference, two answers


def test_the_page_has_the_table_of_exact_answers_by_kind(small_run, runs):
    evaluation = read_json(Path("metrics/evaluation.json"))
    kinds = [{"kind": "news-who", "num_asked": 80, "exact_pct": 12.5}]
    one = {"system": "flan-small", "num_asked": 80, "exact_pct": 12.34, "lower": 5.67, "upper": 23.45}
    write_json(Path("metrics/evaluation.json"), {**evaluation, "probes": [{**one, "kinds": kinds}]})
    runs(main)
    table = probe_part().split("</table>")[0]
    assert "news-who<br><small>of 80</small>" in table
    assert '<td class="n">12.34</td>' in table
    assert "5.67–23.45" in table
    assert '<td class="n">12.50</td>' in table


def test_the_page_has_no_table_of_exact_answers_where_no_system_was_asked(small_run, write, runs):
    evaluation = read_json(Path("metrics/evaluation.json"))
    write_json(Path("metrics/evaluation.json"), {**evaluation, "probes": []})
    for system in ("flan-small", "finetuned"):
        write(f"data/answers/{system}.jsonl", "")
    runs(main)
    assert "<table>" not in probe_part()


def test_a_kind_that_one_system_was_not_asked_is_an_empty_cell():
    kinds = [{"kind": name, "num_asked": 2, "exact_pct": 50.0} for name in ("news-who", "news-other")]
    table = exact_table([{"system": "a", "kinds": kinds[:1]}, {"system": "b", "kinds": kinds}])
    assert table["kinds"] == {"news-who": 2, "news-other": 2}
    assert [row["kinds"] for row in table["rows"]] == [
        {"news-who": 50.0},
        {"news-who": 50.0, "news-other": 50.0},
    ]


def test_the_systems_table_has_an_empty_cell_where_nothing_was_asked(small_run, runs):
    path = Path("metrics/systems/flan-small.json")
    write_json(path, {**read_json(path), "probe_exact_pct": 43.21})
    runs(main)
    systems = report().split('<h2 id="systems">')[1].split("</table>")[0]
    cells = dict(
        re.findall(r'class="system">([\w-]+)<.*?<td class="n">([\d.]*)</td></tr>', systems, re.DOTALL)
    )
    assert cells["flan-small"] == "43.21"
    assert cells["lead-3"] == cells["gpt"] == ""
    assert cells["finetuned"] != ""


def test_show_prints_the_table_and_writes_nothing(small_run, runs, capsys):
    runs(main, "--show")
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("lead-3", "flan-small", "finetuned", "gpt"))
    assert not Path("reports").exists()


def test_readme_gets_the_results_between_its_marks_only(small_run, write, runs):
    write("README.md", f"# Antes\n\n{MARKS[0]}\nviejo\n{MARKS[1]}\n\nDespués \\1 \\g<0>\n")
    runs(main, "--readme")
    text = Path("README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# Antes\n\n{MARKS[0]}\n")
    assert text.endswith(f"{MARKS[1]}\n\nDespués \\1 \\g<0>\n")
    assert "viejo" not in text
    assert "iniature" in text
    assert "| `finetuned` |" in text
    assert "ROUGE-L with its 95 % interval" in text
    before = text
    runs(main, "--readme")
    assert Path("README.md").read_text(encoding="utf-8") == before


def test_readme_says_the_confidence_of_the_intervals(small_run, write, runs):
    evaluation = read_json(Path("metrics/evaluation.json"))
    write_json(Path("metrics/evaluation.json"), {**evaluation, "confidence": 0.995})
    write("README.md", f"{MARKS[0]}\n{MARKS[1]}\n")
    runs(main, "--readme")
    assert "ROUGE-L with its 99.5 % interval" in Path("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["# Nada\n", f"{MARKS[0]}\n", f"{MARKS[1]}\n{MARKS[0]}\n"])
def test_a_readme_without_the_marks_is_left_alone(small_run, write, fails, text):
    write("README.md", text)
    assert fails(main, "--readme").startswith("README.md: expected the marks ")
    assert Path("README.md").read_text(encoding="utf-8") == text


def test_a_missing_metric_is_named(small_run, fails):
    Path("metrics/finetune.json").unlink()
    assert fails(main) == "metrics/finetune.json: not found; `dvc repro` makes what is missing"


def row(name, score):
    scores = {"rouge1": 30.0, "rouge2": 10.0, "rougeL": score, "lost_words_pct": 1.5}
    return {"name": name, "what": "x | y\nz", **scores, "lower": score - 1, "upper": score + 1}


def apart(question, system, against, difference):
    bounds = {"difference": difference, "lower": difference - 1, "upper": difference + 1}
    return {"question": question, "system": system, "against": against, **bounds, "verdict": "better"}


def test_the_answer_says_both_numbers_of_each_difference_and_the_verdict():
    rows = [row("t5-small", 10.0), row("flan-small", 15.5), row("finetuned", 40.25), row("lead-3", 30.0)]
    evaluation = {
        "differences": [
            apart("instruction tuning", "flan-small", "t5-small", 5.5),
            apart("size", "flan-small", "t5-small", 5.5),  # no part of the question
            apart("use", "finetuned", "lead-3", 10.25),
        ]
    }
    assert answer_of(rows, evaluation) == [
        "Instruction tuning: flan-small 15.50 against t5-small 10.00 ROUGE-L, "
        "+5.50 (+4.50 to +6.50): better.",
        "Fine-tuning against copying: finetuned 40.25 against lead-3 30.00 ROUGE-L, "
        "+10.25 (+9.25 to +11.25): better.",
    ]


def test_the_answer_is_empty_without_the_systems_it_compares():
    assert answer_of([row("own", 10.0)], {"differences": []}) == []


BASES = [
    ({}, "flan-small"),
    ({"finetune.base": "t5-base"}, "t5-base"),  # not t5-base-prefix, which has another prompt
    ({"systems.flan-small.num_beams": 4}, None),
    ({"systems.flan-small": {"from": "models/finetuned"}, "finetune.base": "flan-small"}, None),
    (
        {
            "systems.flan-small.template": "{text}",
            "systems.own": {"from": "models/pretrained/flan-small"},
        },
        "own",
    ),
]


@pytest.mark.parametrize(("changes", "name"), BASES)
def test_the_base_is_the_system_that_runs_it_as_it_was_trained(set_params, changes, name):
    set_params(changes)
    assert base_system(read_params()) == name


SYSTEMS = [
    ({"from": "models/finetuned"}, "flan-small, fine-tuned"),
    ({"from": "models/pretrained/t5-base"}, "miniature, standing in for google-t5/t5-base"),
    ({"from": "own/t5-base"}, "a local model folder"),  # the name of a checkpoint, not its weights
    ({"from": "own/model", "num_beams": 4}, "a local model folder; num_beams 4"),
    ({"from": "others/gpt.jsonl"}, "predictions made elsewhere"),
]


@pytest.mark.parametrize(("entry", "said"), SYSTEMS)
def test_a_system_is_said_in_words(project, entry, said):
    params = read_params()
    assert what_is(SystemParams.model_validate(entry), played_by(params), params) == said


def test_a_markdown_row_stays_one_row():
    lines = markdown_table([row("lead-3", 15.5), row("s", 15.5) | {"probe_exact_pct": 7.5}]).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| `lead-3` | x \\| y z | 30.00 | 10.00 | 15.50 | 14.50–16.50 | 1.50 |  |"
    assert lines[3] == "| `s` | x \\| y z | 30.00 | 10.00 | 15.50 | 14.50–16.50 | 1.50 | 7.50 |"
    assert lines[0].count("|") == lines[1].count("|") == lines[3].count("|") - 1  # the escaped one


def test_a_terminals_rows_are_equally_wide_and_fit_in_100_columns():
    exact = {"probe_exact_pct": 100.0}
    lines = text_table([row("lead-3", 9.0), row("flan-base-english", 100.0) | exact]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) < 100
    assert lines[0].endswith("probes, exact")
    assert lines[1].endswith(" 1.50 %" + " " * 16)
    assert lines[2].endswith(" 100.00 %")


def test_the_readme_shows_the_committed_metrics(tmp_path, monkeypatch):
    """Of the last commit: a run since then may have changed metrics/ in the working tree."""
    archive = ["git", "archive", "HEAD", "metrics", "params.yaml", "README.md"]
    made = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("not a git checkout")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    readme = Path("README.md").read_text(encoding="utf-8")
    assert with_results(readme, read_params()) == readme, "run `make readme`"
