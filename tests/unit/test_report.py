"""Report: one page that escapes what it shows, the answer in sentences, a card that the Hub reads."""

import json
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from jinja2 import Environment

from resumen.news.questions import NEWS_KINDS
from resumen.page.answer import answer_of, caveat_of, grids_of, remarks_of
from resumen.page.card import (
    EXCERPT_WORDS,
    OPTIMIZER,
    PAPERS,
    asked_how,
    card_values,
    in_cell,
    metadata,
    papers_of,
    quoted,
    result_rows,
)
from resumen.page.charts import Canvas, line_chart
from resumen.page.explorer import lost_letters
from resumen.page.languages import QUESTIONS, TRANSLATIONS, bilingual, verdict_of
from resumen.page.licences import licence_in_words
from resumen.page.probes import by_model, exact_table
from resumen.page.readme import READMES, RESULT_MARKS, results_of, with_results
from resumen.page.table import (
    BASELINES,
    markdown_table,
    marks_of,
    text_table,
    what_is,
)
from resumen.page.templates import filled_in
from resumen.page.tiles import tiles_of
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.schema.data import SWITCHED, TRIMMED, UNUSABLE
from resumen.schema.params import parse_section, read_params, read_yaml
from resumen.schema.probes import KINDS
from resumen.schema.sections import FinetuneParams
from resumen.schema.systems import system_params
from resumen.scoring.bootstrap import Difference, verdict
from resumen.scoring.comparisons import base_system, comparisons_of
from resumen.sources.mlsum import MLSUM_LICENCE
from resumen.tools.results import main as results
from resumen.tools.summarizer import prompt_style_of
from resumen.training.loop import make_optimizer
from resumen.vocabulary.tokenizer import load_tokenizer, round_trip
from stages.report import main
from tests.helpers.paths import ROOT
from tests.helpers.project import SCRIPT


def escaped(text: str) -> str:
    """Return `text` as the page's templates write it."""
    return Environment(autoescape=True).from_string("{{ text }}").render(text=text)


PARAMS = read_params(ROOT / "params.yaml")
UNSCORED = {"systems": []}  # metrics/evaluation.json without a system


def report():
    return Path("reports/report.html").read_text(encoding="utf-8")


def test_the_page_escapes_what_a_system_wrote(small_run, runs):
    runs(main)
    assert report().count("<script") == 2  # ours: the data of the explorer, and what shows them
    assert "\\u003cscript\\u003ealert('hola', 'Zenobia', 777)\\u003c/script\\u003e" in report()


def test_the_page_shows_every_system_its_scores_and_the_signature(small_run, runs):
    runs(main)
    for path in Path("metrics/systems").iterdir():
        assert path.stem in report()
        assert f"{read_json(path)['rougeL']:.2f}" in report()
    assert "words:unicode" in report()


def test_the_page_says_what_was_left_out_and_shows_none_of_it(small_run, set_params, runs):
    set_params(
        {
            "checkpoints.flan-xl": {"repo": "google/flan-t5-xl", "revision": "main"},
            "systems.xl": {"from": "models/pretrained/flan-xl"},
        }
    )
    for stage, name in (("weights", "flan-xl"), ("generate", "xl"), ("probe", "xl")):
        runs(import_module(f"stages.{stage}").main, name)
    runs(import_module("stages.evaluate").main)
    runs(main)
    assert "Left out, since their profile cannot serve them:" in report()
    assert '<span class="mono">xl</span> <small lang="en">(weights is embedded, and no miniature' in report()
    checkpoints = report()[report().index('<section id="provenance"') :]
    assert '<th scope="row">flan-xl</th><td><span class="t" lang="en">left out: no miniature' in checkpoints
    data = json.loads(report().split('id="explorer-data">')[1].split("</script>")[0])
    assert "xl" not in [*data["systems"], *data["marks"]]


def test_the_page_needs_no_network(small_run, runs):
    runs(main)
    assert not re.findall(r"https?:|url\(|@import|<link", report())
    assert "src=" not in report()


def test_the_card_is_read_by_the_hub(small_run, runs):
    runs(main)
    data = ModelCard.load("reports/model_card.md").data
    assert (data.language, data.base_model) == ("es", None)  # the weights are a miniature's
    scores = read_json(Path("metrics/systems/finetuned.json"))
    assert {result.metric_type for result in data.eval_results} == {"rouge"}  # an id of hf.co/metrics
    assert {result.metric_name: result.metric_value for result in data.eval_results} == {
        name: scores[name] for name in ("rouge1", "rouge2", "rougeL")
    }
    header = yaml.safe_load(ModelCard.load("reports/model_card.md").content.split("---\n")[1])
    assert data.to_dict() == header


@pytest.mark.parametrize(
    ("changes", "base_model"),
    [
        ({"weights": "hub"}, "google/flan-t5-small"),
        ({"profile": "mlsum", "finetunings.flan-small.base": "t5-base"}, "google-t5/t5-base"),
        ({"weights": "embedded"}, None),
        ({"weights": "hub", "checkpoints.flan-small": {"folder": "own"}}, None),
    ],
)
def test_the_card_names_a_base_only_where_its_weights_are_the_hubs(set_params, changes, base_model):
    set_params(changes)
    header = yaml.safe_load(metadata(read_params(), "flan-small", UNSCORED, {"source": "files"}))
    assert header.get("base_model") == base_model


NONE_NAMED = "none named in the repository's card"
LICENCES = [
    ({"source": "embedded"}, "apache-2.0", None),
    ({"source": "files", "file": "a.csv"}, None, None),
    (
        {"source": "hub", "repo": "reciTAL/mlsum", "licence": MLSUM_LICENCE},
        "other",
        "non-commercial-research",
    ),
    ({"source": "hub", "repo": "csebuetnlp/xlsum", "licence": "cc-by-nc-sa-4.0"}, "cc-by-nc-sa-4.0", None),
    ({"source": "hub", "repo": "me/noticias", "licence": "mit, cc-by-4.0"}, ["mit", "cc-by-4.0"], None),
    ({"source": "hub", "repo": "me/noticias", "licence": NONE_NAMED}, None, None),
]


@pytest.mark.parametrize(("provenance", "licence", "name"), LICENCES)
def test_the_card_has_the_licence_of_its_dataset_and_of_no_other(set_params, provenance, licence, name):
    set_params({"profile": "course"} if provenance["source"] == "hub" else {})
    header = yaml.safe_load(metadata(read_params(), "flan-small", UNSCORED, provenance))
    assert (header.get("license"), header.get("license_name")) == (licence, name)
    link = f"https://huggingface.co/datasets/{provenance.get('repo')}" if licence else None
    assert header.get("license_link") == (link if provenance["source"] == "hub" else None)


@pytest.mark.parametrize("source", ["embedded", "files", "hub"])
def test_the_card_says_what_the_model_was_trained_on(small_run, runs, source):
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
    assert ("made-up news" in card) == (source == "embedded")
    assert ("the file a.csv" in card) == (source == "files")
    assert "Summaries can be wrong" in card
    test_split = pd.read_parquet("data/raw/test.parquet")
    beginnings = [text[:40] for column in ("text", "summary") for text in test_split[column]]
    is_copied = any(beginning in card for beginning in beginnings)
    assert is_copied == (source == "embedded")  # of the other two the licence does not let us


@pytest.mark.parametrize(
    ("language", "message", "subject"),
    [("fr", "in French", "texts in French"), ("tt", "in the language tt", "texts in the language tt")],
)
def test_the_card_and_the_page_have_the_language_of_the_data(
    small_run, set_params, runs, language, message, subject
):
    set_params({"data.language": language})
    runs(main)
    card = ModelCard.load("reports/model_card.md")
    assert card.data.language == language
    assert message in card.text
    assert "Spanish" not in card.text.split("## How to cite")[0]
    assert f'"language":"{language}"' in report()
    assert f"summarizing {subject}?" in report()
    assert f"The articles are {message}. What is made for Spanish stays so" in report()


def test_each_system_has_its_worst_articles_and_what_it_invents(small_run, runs):
    runs(main)
    part = report().split('<section id="faults"')[1].split("</section>")[0]
    table, invented = part.split("</table>")
    scores = pd.read_parquet("data/scores.parquet")
    evaluation = read_json(Path("metrics/evaluation.json"))
    assert table.count('<th scope="row">') == len(evaluation["systems"])
    group = scores[scores["system"] == "gpt"].reset_index()
    row = next(row for row in evaluation["systems"] if row["system"] == "gpt")
    assert row["invented_names"]["mean"] == round(group["invented_names"].mean(), 2)
    assert row["invented_names"]["lower"] <= row["invented_names"]["mean"] <= row["invented_names"]["upper"]
    lowest = group.sort_values("rougeL", kind="stable").head(5)
    assert re.findall(r'data-place="\d+">([^<]+)</a>', table.split("gpt")[1]) == [*lowest["id"]]
    group["invented"] = group["invented_names"] + group["invented_numbers"]
    worst = group[group["invented"] > 0].sort_values(["invented", "rougeL"], ascending=[False, True]).head(5)
    assert len(worst) == min(5, len(group))
    own = re.split("</?details>", invented.split("gpt")[1])[0]
    assert re.findall(r'data-place="\d+">([^<]+)</a>', own) == [*worst["id"]]
    assert own.count("Zenobia, 777</span>") == len(worst)  # what it wrote, and no article has


def test_content_words_stand_beside_each_difference_and_disagreement_is_said(small_run, set_params, runs):
    path = Path("metrics/evaluation.json")
    evaluation = read_json(path)
    rows = [evaluation["differences"], evaluation["content"]["differences"]]
    assert [row["name"] for row in rows[0]] == [row["name"] for row in rows[1]]
    for row, content in zip(*rows, strict=True):
        row["verdict"], content["verdict"] = "better", "better"
    evaluation["content"]["differences"][0]["verdict"] = "cannot tell at n = 6"
    name = evaluation["differences"][0]["name"]
    write_json(path, evaluation)
    runs(main)
    table = report().split('<section id="differences"')[1].split("</table>")[0]
    assert table.count("only ROUGE-L tells</span>") == 1
    assert table.count("agrees</span>") == len(rows[0]) - 1
    assert f"comparisons: {name}. That of ROUGE-L stands." in report()


def test_of_spanish_news_nothing_is_said_of_what_is_made_for_spanish(small_run, runs):
    runs(main)
    assert "at summarizing Spanish news?" in report()
    assert "al resumir noticias en español?" in report()
    assert "is made for Spanish" not in report()


TUNED = {"from": "models/finetuned/flan-small"}
ASKED = [  # what is changed, and the system that the card is to ask as
    ({}, "finetuned"),
    ({"format.templates": "flan"}, "finetuned"),
    ({"format.style": "conversation"}, "finetuned"),
    (
        {"format.template": "{title}: {{¿}} '{text}' \U0001f600\n", "format.style": "conversation"},
        "finetuned",
    ),
    ({"systems.finetuned.template": 'Resume "esto":\n{text}', "format.style": "conversation"}, "finetuned"),
    ({"systems": {"own": TUNED | {"template": "Di: {text}"}, "finetuned": {"from": "own/model"}}}, "own"),
    ({"systems": {"own": TUNED | {"template": "Di: {text}"}, "finetuned": TUNED}}, "finetuned"),
]


@pytest.mark.parametrize(("changes", "name"), ASKED)
def test_the_cards_code_asks_as_summarize_does(small_run, set_params, changes, name):
    values = card_values(read_params(), "flan-small")
    set_params(changes)
    params = read_params()
    values |= {"how": asked_how(params, "flan-small")}
    code = filled_in("model_card.md.j2", values).split("```python\n")[1].split("```")[0]
    article = "Llueve {mucho}\n\nen  Logroño."
    lines = code.split('article = "…"\n')[1].split("ids = ")[0]
    output = {"article": article}
    exec(lines, output)  # noqa: S102  ours
    row = {"text": article, "title": "", "topic": ""}
    assert output["prompt"] == prompt_style_of(params, system_params(params, name)).prompt(row)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"systems.finetuned.num_beams": 1}, "max_new_tokens=3, num_beams=1, no_repeat_ngram_size=6"),
        (
            {"systems.finetuned.length_penalty": 1.5},
            "max_new_tokens=3, num_beams=2, length_penalty=1.5, no_repeat_ngram_size=6",
        ),
        ({"systems.finetuned.no_repeat_ngram_size": 0}, "num_beams=2, length_penalty=1.0"),
    ],
)
def test_the_cards_code_decodes_as_the_system_does(small_run, set_params, runs, changes, message):
    set_params(changes)
    runs(main)
    card = Path("reports/model_card.md").read_text(encoding="utf-8")
    assert f"{message})" in card.split("model.generate(")[1].splitlines()[0]


CARD_PARTS = [
    *("Intended use", "How to load", "Example", "Results", "Training", "Evaluation", "Limits", "Licence"),
    *("How to cite", "En español"),
]


def card_text():
    return ModelCard.load("reports/model_card.md").text


def card_part(name):
    """Return what stands under a heading of the card."""
    return card_text().split(f"\n## {name}\n")[1].split("\n## ")[0]


def table_in(text):
    """Return the cells of the rows of the Markdown table in `text`, without its head."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return rows[1:]


def change_json(path, **values):
    write_json(Path(path), read_json(Path(path)) | values)


def test_the_card_says_how_to_load_the_model_before_it_shows_results(small_run, runs):
    runs(main)
    assert re.findall("^## (.*)", card_text(), re.MULTILINE) == CARD_PARTS


@pytest.mark.parametrize(
    ("system", "shown"),
    [
        ("finetuned", ["finetuned", "flan-small", "t5-small-finetuned", "lead-3", "oracle"]),
        ("t5-small-finetuned", ["t5-small-finetuned", "t5-small", "finetuned", "lead-3", "oracle"]),
        (None, ["lead-3", "oracle"]),
    ],
)
def test_the_card_shows_a_system_beside_its_base_its_counterpart_and_copying(system, shown):
    evaluation = read_json(ROOT / "metrics/evaluation.json")
    rows = result_rows(PARAMS, evaluation, system)
    assert [row["system"] for row in rows] == shown


def test_the_cards_table_has_the_scores_of_the_evaluation(small_run, runs):
    runs(main)
    rows = {row[0].strip("`"): row[2:] for row in table_in(card_part("Results"))}
    assert list(rows) == ["finetuned", "flan-small", "lead-3", "oracle"]
    for row in read_json(Path("metrics/evaluation.json"))["systems"]:
        if row["system"] in rows:
            first, second, longest, content = (
                row[name] for name in ("rouge1", "rouge2", "rougeL", "rougeL_content")
            )
            assert rows[row["system"]] == [
                *(f"{score['mean']:.2f}" for score in (first, second, longest)),
                f"{longest['lower']:.2f}–{longest['upper']:.2f}",
                f"{content['mean']:.2f}",
            ]


def test_the_cards_example_is_the_article_with_the_median_score(small_run, runs):
    runs(main)
    scores = pd.read_parquet("data/scores.parquet")
    scores = scores[scores["system"] == "finetuned"].sort_values(["rougeL", "id"])
    name = scores["id"].iloc[(len(scores) - 1) // 2]
    article = pd.read_parquet("data/raw/test.parquet").set_index("id").loc[name]
    written = pd.read_json("data/predictions/finetuned.jsonl", lines=True).set_index("id")["prediction"]
    head = next(line for line in card_part("Example").splitlines() if line.startswith("| | "))
    assert head == f"| | `{name}`, ROUGE-L {scores.set_index('id')['rougeL'][name]:.2f} |"
    words, cells = article["text"].split(), dict(table_in(card_part("Example")))
    beginning = " ".join(words[:EXCERPT_WORDS]) + " […]" * (len(words) > EXCERPT_WORDS)
    assert cells == {
        f"article, {len(words)} words": in_cell(beginning),
        "reference": in_cell(article["summary"]),
        "this model": in_cell(written[name]),
    }


OURS, FILE = {"source": "embedded"}, {"source": "files", "file": "a.csv"}
HUB = {"source": "hub", "repo": "me/noticias"}
QUOTED = [  # the provenance, and which of article, reference and output are quoted
    (OURS, [True, True, True]),
    (HUB | {"licence": "mit, cc-by-4.0"}, [True, True, True]),
    (HUB | {"licence": "cc-by-nc-sa-4.0"}, [False, False, True]),
    (HUB | {"licence": "mit, other"}, [False, False, True]),
    (HUB | {"licence": MLSUM_LICENCE}, [False, False, True]),
    (HUB | {"licence": NONE_NAMED}, [False, False, True]),
    (FILE, [False, False, False]),
]


@pytest.mark.parametrize(("provenance", "is_quoted"), QUOTED)
def test_the_card_quotes_articles_only_under_a_licence_that_lets_anybody_copy_them(provenance, is_quoted):
    texts = ["Llueve mucho " * 200, "Llueve en Ávila.", "Nieva."]
    shown = quoted({"text": texts[0], "summary": texts[1]}, texts[2], provenance)
    assert list(shown) == ["article, 400 words", "reference", "this model"]
    for cell, text, quotes in zip(shown.values(), texts, is_quoted, strict=True):
        assert (text.split()[0] in cell) == quotes
    assert shown["article, 400 words"].count("Llueve mucho") == 75 * is_quoted[0]
    assert is_quoted[1] or shown["reference"] == "3 words, not quoted"


def test_nothing_that_a_system_wrote_is_markdown_or_html_in_the_card(small_run, write, runs):
    path = Path("data/predictions/finetuned.jsonl")
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    text = f"# *a* | [b](c) `d`\n{SCRIPT}"
    write(path, "".join(json.dumps(row | {"prediction": text}) + "\n" for row in rows))
    runs(main)
    line = next(line for line in card_part("Example").splitlines() if line.startswith("| this model"))
    assert "<script>" not in line
    assert r"\# \*a\* \| \[b\](c) \`d\` &lt;script&gt;" in line


def test_the_cards_optimizer_is_that_of_the_training():
    params = parse_section(FinetuneParams, PARAMS, "finetune")
    optimizer = make_optimizer(torch.nn.Linear(1, 1), params)
    first, second = optimizer.defaults["betas"]
    epsilon = optimizer.defaults["eps"]
    assert f"{type(optimizer).__name__}, betas {first} and {second}, epsilon {epsilon}" == OPTIMIZER


def test_the_cards_hyperparameters_are_those_of_the_run(small_run, set_params, runs):
    own = {"weight_decay": 0.25, "gradient_accumulation": 3, "schedule": "cosine"}
    set_params({f"finetunings.flan-small.{key}": value for key, value in own.items()})
    change_json("metrics/finetune/flan-small.json", num_parameters=12_345, steps=8_800, precision="bfloat16")
    runs(main)
    rows = dict(row for row in table_in(card_part("Training")) if len(row) == 2)
    metrics = read_json(Path("metrics/finetune/flan-small.json"))
    assert rows["parameters"] == "12,345"
    assert rows["steps"] == "8,800"
    assert rows["precision"] == "bfloat16"
    assert rows["training articles"] == str(metrics["rows"])
    size = metrics["batch_size"]
    assert rows["batch"] == f"{size} articles, of shorter ones up to {2 * size}; 3 such batches a step"
    assert rows["learning rate"].startswith(f"{metrics['learning_rate']:g}, cosine, ")
    assert "weight decay 0.25, " in rows["optimizer"]
    assert rows["source, target"] == "40, 20 tokens"
    assert rows["seed"] == str(PARAMS["finetune"]["seed"])
    assert f"torch {torch.__version__.split('+')[0]}" in rows["versions, for the summaries"]
    assert "12\u202f345 parámetros" in card_part("En español")


def test_the_card_says_how_many_articles_were_dropped_and_why(small_run, runs):
    path = Path("metrics/data.json")
    audit = read_json(path)
    dropped = {"train": {"empty text": 2, "short summary": 1}, "validation": {"empty text": 1}, "test": {}}
    for row in audit["splits"]:
        row["dropped"] = dropped[row["split"]]
    write_json(path, audit)
    runs(main)
    assert "for validation, 4 more dropped (empty text, short summary)." in card_part("Training")


def test_the_card_says_what_is_lost_and_what_is_invented(small_run, runs):
    path = Path("metrics/evaluation.json")
    evaluation = read_json(path)
    for row in evaluation["probes"]:
        row |= {"num_asked": 246, "exact_pct": 1.5 if row["system"] == "finetuned" else 79.27}
    for row in evaluation["systems"]:
        if row["system"] == "finetuned":
            row["invented_names"]["mean"], row["invented_numbers"]["mean"] = 0.24, 1.17
    write_json(path, evaluation)
    runs(main)
    lost = "fewer questions than its base: of 246 probes it answers 1.50 % exactly, its base 79.27 %."
    assert lost in card_part("Limits")
    assert "On average a summary has 0.24 names and 1.17 numbers" in card_part("Limits")
    spanish = card_part("En español")
    assert "de 246 preguntas de control acierta el 1,50 %; su base, el 79,27 %." in spanish
    assert "de media, 0,24 nombres y 1,17 números" in spanish


@pytest.mark.parametrize(
    ("changes", "base", "licence"),
    [
        ({}, "miniature of this project, under Apache-2.0", OURS),
        ({"weights": "hub"}, "google/flan-t5-small, is under Apache-2.0", OURS),
        ({"weights": "hub"}, "google/flan-t5-small, is under Apache-2.0", HUB | {"licence": MLSUM_LICENCE}),
        ({"weights": "hub", "checkpoints.flan-small.repo": "me/t5"}, "card of me/t5", OURS),
        ({"checkpoints.flan-small": {"folder": "own"}}, "a local folder", OURS),
        ({"checkpoints.flan-small": {"folder": "own"}}, "a local folder", FILE),
    ],
)
def test_the_card_says_which_licences_hold_and_why(set_params, changes, base, licence):
    set_params(changes)
    of_base, of_news, *of_model = licence_in_words(read_params(), "flan-small", licence)
    assert bool(of_model) == ("Apache-2.0" in of_base.en and licence == OURS)  # "So is the model."
    assert base in of_base.en
    stated = licence.get("licence", "Apache-2.0" if licence["source"] == "embedded" else "states none")
    assert stated in of_news.en
    assert ("inherits" in of_news.en) == ("hereda" in of_news.es) == ("licence" in licence)
    if stated == MLSUM_LICENCE:
        assert "solo para investigación no comercial" in of_news.es


def test_the_card_is_cited_as_citation_cff_has_it(small_run, runs):
    runs(main)
    citation = read_yaml(ROOT / "CITATION.cff")
    entry = dict(re.findall(r"(\w+) += \{(.*)\},", card_part("How to cite")))
    assert entry == {
        "title": citation["title"],
        "author": f"{{{citation['authors'][0]['name']}}}",
        "version": str(citation["version"]),
        "year": str(citation["date-released"])[:4],
    }
    urls = {reference["url"] for reference in citation["references"]}
    assert {re.search(r"\((.*)\)", paper)[1] for paper in PAPERS.values()} == urls


@pytest.mark.parametrize(
    ("changes", "repo", "papers"),
    [({}, None, []), ({"weights": "hub"}, "me/noticias", ["flan-t5"]), ({}, "reciTAL/mlsum", ["mlsum"])],
)
def test_the_card_asks_to_cite_what_the_model_is_made_of(set_params, changes, repo, papers):
    set_params(changes)
    provenance = {"repo": repo} if repo else {}
    assert papers_of(read_params(), "flan-small", provenance) == [PAPERS[key] for key in papers]


def test_the_card_in_spanish_has_its_numbers_as_spanish_writes_them(small_run, runs):
    path = Path("metrics/evaluation.json")
    change_json(path, num_articles=12_000)
    runs(main)
    spanish = card_part("En español")
    assert re.findall("^### (.*)", spanish, re.MULTILINE) == [
        *("Uso previsto", "Respuesta y resultados", "Límites", "Licencia")
    ]
    assert not re.findall(r"\d\.\d|\d,\d{3}\b", spanish.replace("Apache-2.0", ""))
    assert "en 12\u202f000 artículos de prueba: este modelo, " in spanish
    (row,) = [row for row in read_json(path)["systems"] if row["system"] == "finetuned"]
    assert f"este modelo, {row['rougeL']['mean']:.2f} (de ".replace(".", ",") in spanish
    assert "ajuste fino" in spanish


def test_the_card_says_why_articulo_has_no_accent_if_it_is_asked_so(small_run, set_params, runs):
    runs(main)
    assert "*articulo* without its accent" in card_part("How to load")
    assert "«articulo», sin tilde" in card_part("En español")
    set_params({"format.template": "Resume: {text}"})
    runs(main)
    assert "articulo" not in card_text()


def test_the_card_holds_neither_a_time_nor_a_machine(small_run, runs):
    runs(main)
    assert not re.findall(r"\d{4}-\d\d-\d\d|\d\d:\d\d|cpu|cuda|device", card_text())


def test_a_card_without_a_system_that_runs_the_model_has_no_scores_of_it(small_run, set_params, runs):
    set_params({"systems.finetuned.from": "models/pretrained/flan-small"})
    runs(main)
    assert "| this model |" not in card_text()
    assert "\n## Example\n" not in card_text()
    assert "\n## How to load\n" in card_text()


def test_miniatures_are_said_to_be_such_once_and_at_each_number_of_the_answer(small_run, runs):
    runs(main)
    text = page_text()
    assert text.count("The models are stand-ins of less than a million parameters") == 1
    assert text.count("in the miniature") == text.count("points of ROUGE-L") == 1  # of the only tile
    assert "(miniature)" not in text
    assert "stand-in for google/flan-t5-small" in text
    card = ModelCard.load("reports/model_card.md")
    assert card.text.count("**Miniature.** The model and its numbers are of no use outside") == 1
    assert card.text.count("of no use") == card.text.count("Ni el modelo ni sus cifras sirven") == 1
    assert "A miniature that stands in for google/flan-t5-small, with" in card.text
    assert "miniature" in card.data.tags
    assert {result.dataset_name for result in card.data.eval_results} != set()
    assert card.data.model_name == "resumen-miniature"


def test_among_other_models_each_miniature_is_named_as_one(small_run, set_params, runs):
    set_params({"systems.own": {"from": "own/model"}})
    assert marks_of(read_params()) == {
        "flan-small": "miniature",
        "finetuned": "miniature",
        "gpt": "foreign",
    }


def test_a_folder_of_ones_own_is_no_miniature(small_run, set_params, runs):
    set_params({"checkpoints.flan-small": {"folder": "own"}})
    runs(main)
    card = ModelCard.load("reports/model_card.md")
    assert "iniature" not in card.content
    assert "iniature" not in page_text()
    assert "stand-in for google/flan-t5-small" not in page_text()


def page_text():
    """Return what the page says in English, without its marks, charts and scripts."""
    shown = re.sub(r"<(script|style|svg|pre)\b.*?</\1>", "", report(), flags=re.DOTALL)
    return re.sub(r"<[^>]+>", "", re.sub(r'<span class="t" lang="es">.*?</span>', "", shown))


def test_a_system_made_elsewhere_is_called_foreign_wherever_it_is_named(small_run, runs):
    runs(main)
    message = re.sub(r"<(script|style|pre)\b.*?</\1>", "", report(), flags=re.DOTALL)
    indices = re.findall(r"\bgpt\b.{0,60}", message, re.DOTALL)
    assert len(indices) >= 5  # chart, table of systems, ceilings, breakdown, signatures
    assert all("foreign" in index or "ajeno" in index for index in indices)


LACKS = {
    "a comparison": {"differences": [], "interactions": [], "content": {}},
    "a probe": {"probes": []},
    "operations": {},
    "training": {},
}


@pytest.mark.parametrize("lacking", LACKS)
def test_a_page_that_lacks_something_is_made_all_the_same(small_run, runs, lacking):
    path = Path("metrics/evaluation.json")
    evaluation = read_json(path) | LACKS[lacking]
    for row in evaluation["systems"]:
        if lacking == "operations" and "gflops_per_article" in row["values"]:
            row["values"]["gflops_per_article"] = 0.0  # a model so small that it counts as nothing
    write_json(path, evaluation)
    if lacking == "training":
        write_json(Path("metrics/plots/training.json"), [])  # all fine-tunings are left out
    runs(main)
    note = "No difference that answers the question was tested"
    assert (note in report()) == (lacking == "a comparison")
    assert "<figure></figure>" not in report()


def test_an_evaluation_of_an_older_run_names_the_way_to_a_new_one(small_run, fails):
    path = Path("metrics/evaluation.json")
    evaluation = read_json(path)
    for row in evaluation["systems"]:
        del row["values"]
    write_json(path, evaluation)
    assert fails(main) == "metrics/evaluation.json: lead-1 lacks rouge1; run `dvc repro evaluate`"


def test_the_value_at_the_end_of_a_line_stands_where_the_line_ends():
    rows = [{"finetuning": "long", "epoch": epoch, "value": 10.0 + epoch} for epoch in range(6)]
    rows += [{"finetuning": "short", "epoch": epoch, "value": 5.0} for epoch in range(3)]
    chart = line_chart(rows, Canvas("es", is_narrow=True), "época", "ROUGE-L")
    places = dict(re.findall(r'translate\(([\d.]+),[\d.]+\)"[^>]*>(15,00|5,00)<', chart)[::-1])
    at = {text: float(x) for x, text in places.items()}
    assert at["5,00"] < at["15,00"] / 2


def test_equal_runs_give_equal_bytes(small_run, runs):
    output = []
    for _ in range(2):
        runs(main)
        output.append([path.read_bytes() for path in sorted(Path("reports").iterdir())])
    assert output[0] == output[1]


def answers_of(system):
    return [json.loads(line) for line in Path(f"data/answers/{system}.jsonl").open(encoding="utf-8")]


def put_answers(write, system, rows):
    write(f"data/answers/{system}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def probe_part():
    """Return the part of the page on the probes."""
    return report().split('<section id="probes"')[1].split("</section>")[0]


def test_the_probes_are_folded_by_kind_with_every_prompt_of_ours_and_every_answer(small_run, runs):
    runs(main)
    page, rows = probe_part(), answers_of("flan-small")
    own = [row for row in rows if not row["id"].startswith("news-")]
    indices = [page.index(escaped(row["prompt"])) for row in own]
    assert indices == sorted(indices)
    assert len(own) >= 16
    kinds = {row["kind"] for row in rows}
    assert page.count("<details>") == len(kinds)
    for kind in kinds:
        assert page.count(f'<details><summary><span class="t" lang="en">{kind}<') == 1
    for answer in [row for system in ("flan-small", "finetuned") for row in answers_of(system)]:
        if answer["id"] in {row["id"] for row in own}:
            assert f">{escaped(answer['answer'])}</dd>" in page
    assert ">gpt" not in page  # it answers nothing


def test_systems_that_differ_in_their_prompt_alone_are_one_column_of_the_probes(project):
    names = ["t5-base", "t5-base-prefix", "flan-base", "flan-base-english", "finetuned"]
    assert by_model(PARAMS, names) == {
        "t5-base": ["t5-base", "t5-base-prefix"],
        "flan-base": ["flan-base", "flan-base-english"],
        "finetuned": ["finetuned"],
    }
    other = {**PARAMS, "systems": {**PARAMS["systems"]}}
    other["systems"]["t5-base-prefix"] = {**other["systems"]["t5-base-prefix"], "generate": {"min_length": 5}}
    assert "t5-base-prefix" in by_model(other, names)


def test_the_table_of_probes_says_how_many_questions_about_news_it_leaves_out(small_run, runs):
    runs(main)
    news = [row for row in answers_of("flan-small") if row["id"].startswith("news-")]
    shown = [row["id"] for row in news if escaped(row["prompt"]) in probe_part()]
    assert len(news) == 12
    assert shown == ["news-who-001", "news-number-001", "news-other-001"]
    message = re.sub(r'<span class="t" lang="es">.*?</span>|<[^>]+>', "", probe_part())
    assert "and of the 12 questions about made-up news the first of each kind" in message


def test_the_page_marks_what_is_right_and_what_is_wrong_and_only_that(small_run, write, runs):
    rows = answers_of("flan-small")
    (right, wrong), openly = [row for row in rows if row["kind"] == "question-text"][:2], rows[0]
    right["answer"], wrong["answer"] = f"«{right['reference'].upper()}»", "neither of them"
    openly["answer"] = "nobody is right here"
    put_answers(write, "flan-small", rows)
    runs(main)
    cells = re.findall(r'<dt>(.*?)</dt><dd lang="..">(.*?)</dd>', probe_part())
    marks = {text: re.sub(r"<[^>]+>", "", mark).removeprefix("flan-small").strip() for mark, text in cells}
    assert marks[escaped(right["answer"])] == "✓ right✓ correcta"
    assert marks["neither of them"] == "✗ wrong✗ incorrecta"
    assert marks["nobody is right here"] == ""
    assert f'<strong lang="es">{right["reference"]}</strong>' in probe_part()


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
    table, after = probe_part().split("</table>")
    assert re.search(
        r'news-who</span>.*?</th><td class="n">80</td>\s*<td class="n">12</td>', table, re.DOTALL
    )
    assert re.search(r">all</span>.*?<strong>12</strong>", table, re.DOTALL)
    english = re.sub(r'<span class="t" lang="es">.*?</span>|<[^>]+>', "", after)
    assert "flan-small 12.34 (5.67–23.45)" in english


def test_the_page_has_no_table_of_exact_answers_where_no_system_was_asked(small_run, write, runs):
    evaluation = read_json(Path("metrics/evaluation.json"))
    write_json(Path("metrics/evaluation.json"), {**evaluation, "probes": []})
    for system in ("flan-small", "finetuned"):
        write(f"data/answers/{system}.jsonl", "")
    runs(main)
    assert "<table" not in probe_part()


def test_a_kind_that_one_system_was_not_asked_is_an_empty_cell():
    kinds = [{"kind": name, "num_asked": 2, "exact_pct": 50.0} for name in ("news-who", "news-other")]
    assert exact_table([{"system": "a", "kinds": kinds[:1]}, {"system": "b", "kinds": kinds}]) == [
        {"kind": "news-who", "num_asked": 2, "exact_pct": {"a": 50.0, "b": 50.0}},
        {"kind": "news-other", "num_asked": 2, "exact_pct": {"b": 50.0}},
    ]


def test_the_systems_table_has_an_empty_cell_where_nothing_was_asked(small_run, runs):
    path = Path("metrics/evaluation.json")
    evaluation = read_json(path)
    row = next(row for row in evaluation["systems"] if row["system"] == "flan-small")
    row["values"]["probe_exact_pct"] = 43.21
    write_json(path, evaluation)
    runs(main)
    systems = report().split('<section id="systems"')[1].split("</table>")[0]
    rows = re.findall(r'class="system">([\w-]+)<(.*?)</td></tr>', systems, re.DOTALL)
    cells = {
        name: re.sub(r'<span class="t" lang="es">.*?</span>|<[^>]+>', "", row.split('<td class="n">')[-1])
        for name, row in rows
    }
    assert cells["flan-small"] == "43.21"
    assert cells["lead-3"] == cells["gpt"] == ""
    assert cells["finetuned"] != ""


def test_show_prints_the_table_and_writes_nothing(small_run, runs, capsys):
    shutil.rmtree("reports")
    runs(results)
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("lead-3", "flan-small", "finetuned", "gpt"))
    assert not Path("reports").exists()


def test_the_readmes_get_the_results_between_their_marks_only(small_run, write, runs):
    for path in READMES:
        write(path, f"# Antes\n\n{RESULT_MARKS[0]}\nviejo\n{RESULT_MARKS[1]}\n\nDespués \\1 \\g<0>\n")
    runs(results, "--readme")
    texts = [path.read_text(encoding="utf-8") for path in READMES]
    for text, said in zip(
        texts,
        ("ROUGE-L with its 95 % interval", "ROUGE-L con su intervalo del 95 %"),
        strict=True,
    ):
        assert text.startswith(f"# Antes\n\n{RESULT_MARKS[0]}\n")
        assert text.endswith(f"{RESULT_MARKS[1]}\n\nDespués \\1 \\g<0>\n")
        assert "viejo" not in text
        assert "iniatur" in text
        assert "| `finetuned` |" in text
        assert said in text
    runs(results, "--readme")
    assert [path.read_text(encoding="utf-8") for path in READMES] == texts


def test_the_spanish_table_has_the_numbers_of_the_english_one(small_run):
    english, spanish = (
        [line for line in text.splitlines() if line.startswith("|")] for text in results_of(read_params())
    )
    assert spanish[0].startswith("| sistema | qué es | ROUGE-1 | ROUGE-2 | ROUGE-L | intervalo | ")
    assert spanish[0].endswith(" | palabras perdidas (%) | preguntas acertadas (%) |")
    assert "| `lead-3` | las tres primeras frases |" in "\n".join(spanish)
    assert len(spanish) == len(english) > 2
    for one, other in zip(english, spanish, strict=True):
        assert one.count("|") == other.count("|")
    for one, other in zip(english[2:], spanish[2:], strict=True):
        assert one.replace(".", ",").split(" | ")[2:] == other.split(" | ")[2:]


def test_the_readmes_say_the_confidence_of_the_intervals(small_run, write, runs):
    evaluation = read_json(Path("metrics/evaluation.json"))
    write_json(Path("metrics/evaluation.json"), {**evaluation, "confidence": 0.995})
    for path in READMES:
        write(path, f"{RESULT_MARKS[0]}\n{RESULT_MARKS[1]}\n")
    runs(results, "--readme")
    english, spanish = (path.read_text(encoding="utf-8") for path in READMES)
    assert "ROUGE-L with its 99.5 % interval" in english
    assert "ROUGE-L con su intervalo del 99,5 %" in spanish


@pytest.mark.parametrize("without", READMES)
@pytest.mark.parametrize(
    "text", ["# Nada\n", f"{RESULT_MARKS[0]}\n", f"{RESULT_MARKS[1]}\n{RESULT_MARKS[0]}\n"]
)
def test_readmes_of_which_one_lacks_the_marks_are_left_alone(small_run, write, fails, without, text):
    texts = dict.fromkeys(READMES, f"{RESULT_MARKS[0]}\n{RESULT_MARKS[1]}\n") | {without: text}
    for path in READMES:
        write(path, texts[path])
    assert fails(results, "--readme").startswith(f"{without}: expected the marks ")
    assert {path: path.read_text(encoding="utf-8") for path in READMES} == texts


def test_a_missing_metric_is_named(small_run, fails):
    Path("metrics/finetune/flan-small.json").unlink()
    assert fails(main) == "metrics/finetune/flan-small.json: not found; `dvc repro` makes what is missing"


def row(name, score):
    scores = {"rouge1": 30.0, "rouge2": 10.0, "rougeL": score, "lost_words_pct": 1.5}
    scores |= {"rouge1_content": 25.0, "rougeL_content": 24.0}
    return {"name": name, "what": bilingual("x | y\nz"), **scores, "lower": score - 1, "upper": score + 1}


def apart(name, system, against, difference, message="better"):
    bounds = {"difference": difference, "lower": difference - 1, "upper": difference + 1}
    return {"name": name, "question": "?", "system": system, "against": against, **bounds, "verdict": message}


def scored(**means):
    """Return `systems` of metrics/evaluation.json with these means of ROUGE-L."""
    return [
        {"system": name, "rougeL": {"mean": mean, "lower": mean - 1, "upper": mean + 1}}
        for name, mean in means.items()
    ]


def test_without_a_two_by_two_the_answer_has_a_sentence_a_training_with_its_verdict():
    unsure = "cannot tell at n = 200; about 8,800 articles would be needed"
    evaluation = {
        "confidence": 0.95,
        "systems": scored(**{"t5-small": 10.0, "a-better-one": 15.5, "finetuned": 15.0}),
        "differences": [
            apart("instruction-tuning", "a-better-one", "t5-small", 5.5),
            apart("size", "a-better-one", "t5-small", 5.5),  # no part of the answer
            apart("fine-tuning", "finetuned", "a-better-one", -0.5, unsure),
        ],
        "interactions": [],
        "probes": [],
        "content": {},
    }
    first, second = answer_of(PARAMS, evaluation, {"t5-small": "miniature"})
    assert first == (
        "Instruction tuning makes the summaries better: ROUGE-L goes from 10.00 points, of t5-small "
        "(miniature), to 15.50, of a-better-one, a difference of +5.50 (95 % interval +4.50 to +6.50).",
        "El ajuste por instrucciones mejora los resúmenes: ROUGE-L pasa de 10,00 puntos, los de t5-small "
        "(miniatura), a 15,50, los de a-better-one; la diferencia es de +5,50 (intervalo del 95 %: de +4,50 "
        "a +6,50).",
    )
    assert second.en.startswith(f"Fine-tuning: {unsure}: ROUGE-L goes from 15.50 points, of ")
    assert second.es.startswith(
        "El ajuste fino: no se puede decir con n = 200; harían falta unos 8800 artículos: ROUGE-L pasa de "
    )
    assert [tile["value"].es for tile in tiles_of(PARAMS, evaluation)] == ["+5,50", "−0,50"]


def test_every_fixed_word_of_another_module_has_its_spanish():
    assert {*UNUSABLE, *SWITCHED, *TRIMMED, *KINDS, *NEWS_KINDS, *BASELINES.values()} <= TRANSLATIONS.keys()
    assert {one.question for one in comparisons_of(read_params(ROOT / "params.yaml"))} == QUESTIONS.keys()


@pytest.mark.parametrize("mean", [2.0, -2.0, 0.5, 0.0])
def test_every_verdict_has_its_spanish(mean):
    message = verdict(
        Difference(mean, mean - 1, mean + 1, 0.3, 6.06, 200), 0.001 if mean**2 > 1 else 0.6, 0.95
    )
    spanish = verdict_of(message).es
    assert spanish != message
    assert not re.search("better|worse|tell|needed|articles", spanish)


def test_lost_letters_are_those_that_the_vocabulary_cannot_write_and_not_what_it_rewrites(vocabulary):
    texts = ["El año… terminó…", "El 5½ de Íñigo", "La 2ª\nvez\u00a0 más"]
    rows = [{"summary": text} for text in texts]
    written = [{"spelled_reference": text} for text in round_trip(load_tokenizer(vocabulary), texts)]
    whole = [{"spelled_reference": text} for text in texts]
    lost = lost_letters(rows, {"whole": whole, "t5": written, "flan": written})
    assert lost == {"t5": "Íñ⁄", "flan": "Íñ⁄"}


def test_the_answer_is_empty_without_the_systems_it_compares():
    evaluation = {
        "confidence": 0.95,
        "systems": scored(own=10.0),
        "differences": [],
        "interactions": [],
        "probes": [],
        "content": {},
    }
    assert answer_of(PARAMS, evaluation, {}) == []


INTERACTIONS = [
    ("larger", "Together they buy more than the sum of each alone: the interaction is +"),
    ("smaller", "Together they buy less than the sum of each alone: the interaction is +"),
    (
        "cannot tell at n = 9",
        "Whether together they buy more than the sum of each alone: cannot tell at n = 9: the",
    ),
]


def crossed(message="larger"):
    """Return metrics/evaluation.json of a 2 × 2: T5 from 10 to 48, Flan-T5 from 14 to 75."""
    systems = scored(**{"t5-small": 10.0, "flan-small": 14.0, "t5-small-finetuned": 48.0, "finetuned": 75.0})
    names = ["finetuned", "t5-small-finetuned", "flan-small", "t5-small"]
    interaction = apart("interaction", None, "instruction-tuning", 23.0, message)
    interaction |= {"comparison": "instruction-tuning-finetuned", "systems": names}
    return {
        "confidence": 0.95,
        "systems": systems,
        "differences": [
            apart("instruction-tuning-finetuned", "finetuned", "t5-small-finetuned", 27.0),
            apart("instruction-tuning", "flan-small", "t5-small", 4.0),
            apart("fine-tuning", "finetuned", "flan-small", 61.0),
            apart("fine-tuning-t5", "t5-small-finetuned", "t5-small", 38.0),
            apart("both", "finetuned", "t5-small", 65.0),
        ],
        "interactions": [interaction],
        "probes": [],
        "content": {},
    }


@pytest.mark.parametrize(("message", "expected"), INTERACTIONS)
def test_the_answer_is_of_each_training_alone_and_of_both_together(message, expected):
    tuned, trained, both, beyond = answer_of(PARAMS, crossed(message), {})
    assert tuned.en.startswith("Instruction tuning alone makes the summaries better: ROUGE-L goes from 10.00")
    assert "to 48.00, of t5-small-finetuned, a difference of +38.00" in trained.en
    assert both.en.startswith("Both together make the summaries better: ROUGE-L goes from 10.00")
    assert "to 75.00, of finetuned, a difference of +65.00" in both.en
    assert trained.es.startswith("El ajuste fino por sí solo mejora los resúmenes: ")
    assert both.es.startswith("Los dos juntos mejoran los resúmenes: ")
    assert beyond.en.startswith(expected)
    assert "the interaction is +23.00 (95 % interval +22.00 to +24.00)." in beyond.en
    assert beyond.en.endswith("instruction tuning buys +27.00 points instead of +4.00.")
    assert "la interacción es de +23,00 (intervalo del 95 %: de +22,00 a +24,00)" in beyond.es
    assert remarks_of(PARAMS, crossed(message)) == [beyond]
    values = [tile["value"].en for tile in tiles_of(PARAMS, crossed(message))]
    assert values == ["+4.00", "+38.00", "+65.00"]


def asked(system, exact, lower, upper):
    return {"system": system, "num_asked": 246, "exact_pct": exact, "lower": lower, "upper": upper}


def test_a_difference_that_is_not_of_miniatures_is_not_said_to_be(set_params):
    set_params({f"checkpoints.{name}": {"folder": "own"} for name in ("flan-small", "t5-small")})
    assert [tile["is_miniature"] for tile in tiles_of(read_params(), crossed())] == [False] * 3
    assert [tile["is_miniature"] for tile in tiles_of(PARAMS, crossed())] == [True] * 3


def test_without_a_two_by_two_what_is_forgotten_is_said_of_the_fine_tuned_system_and_its_base():
    probes = [asked("flan-small", 79.27, 74.0, 84.15), asked("finetuned", 0, 0, 0)]
    evaluation = crossed() | {"probes": probes, "interactions": []}
    assert tiles_of(PARAMS, evaluation)[-1]["change"].en == "flan-small → finetuned"
    assert answer_of(PARAMS, evaluation, {})[-1].en.startswith("Fine-tuning forgets how to answer")
    other = {**PARAMS, "systems": {"gpt": {"from": "others/gpt.jsonl"}}}
    assert not any(tile["is_loss"] for tile in tiles_of(other, evaluation | {"differences": []}))


def test_what_fine_tuning_forgets_is_a_tile_and_a_sentence():
    evaluation = crossed() | {
        "probes": [asked("flan-small", 79.27, 74.0, 84.15), asked("finetuned", 0, 0, 0)]
    }
    *_, tile = tiles_of(PARAMS, evaluation)
    assert tile["value"] == ("79 % → 0 %", "79 % → 0 %")
    assert tile["interval"].es == "de 74,0 a 84,2; de 0,0 a 0,0"
    *_, sentence = answer_of(PARAMS, evaluation, {})
    assert (
        "of the 246 probes with just one right answer, flan-small answers 79.3 % (74.0 to 84.2)"
        in sentence.en
    )
    assert "flan-small acierta el 79,3 % (de 74,0 a 84,2); finetuned, el 0,0 %" in sentence.es


@pytest.mark.parametrize("upper", [74.0, 90.0])
def test_nothing_is_said_to_be_forgotten_where_the_intervals_meet(upper):
    rows = [asked("flan-small", 79.27, 74.0, 84.15), asked("finetuned", 70.0, 65.0, upper)]
    assert len(tiles_of(PARAMS, crossed() | {"probes": rows})) == 3
    assert len(answer_of(PARAMS, crossed() | {"probes": rows}, {})) == 4


OTHERS = [  # as the questions of other interactions would be answered wrongly
    {"comparison": "course", "systems": ["flan-base", "t5-base", "flan-small", "t5-small"]},
    {"against": "fine-tuning", "systems": ["t5-small-finetuned", "t5-small", "finetuned", "flan-small"]},
]


@pytest.mark.parametrize("change", OTHERS)
def test_an_interaction_of_something_else_is_no_part_of_the_answer(change):
    evaluation = crossed()
    evaluation["interactions"][0] |= change
    leads = [sentence.en.split(" makes ")[0] for sentence in answer_of(PARAMS, evaluation, {})]
    assert leads == ["Instruction tuning", "Fine-tuning"]  # as the comparisons have it


REPOS = [("google-t5/t5-small", True), ("google/t5-small-lm-adapt", False)]


@pytest.mark.parametrize(("repo", "expected"), REPOS)
def test_the_version_of_t5_is_a_caveat_where_it_is_one(set_params, repo, expected):
    set_params({"checkpoints.t5-small.repo": repo})
    assert bool(caveat_of(read_params(), crossed())) == expected


def test_the_two_by_two_has_a_row_a_base_a_column_a_training_and_what_each_buys(project):
    (grid,) = grids_of(read_params(), crossed())
    assert [column.en for column in grid["columns"]] == ["as published", "fine-tuned"]
    systems = [[cell["system"] for cell in row["cells"]] for row in grid["rows"]]
    assert systems == [["t5-small", "t5-small-finetuned"], ["flan-small", "finetuned"]]
    assert [row["gain"]["difference"] for row in grid["rows"]] == [38.0, 61.0]
    assert [gain["difference"] for gain in grid["gains"]] == [4.0, 27.0]
    assert ["lower" in row["gain"] for row in grid["rows"]] == [True, True]
    untested = crossed()
    untested["differences"] = untested["differences"][:2]
    (grid,) = grids_of(read_params(), untested)
    assert [row["gain"]["difference"] for row in grid["rows"]] == [38.0, 61.0]
    assert ["lower" in row["gain"] for row in grid["rows"]] == [False, False]


BASES = [
    ({}, "flan-small"),
    ({"finetunings.flan-small.base": "t5-base"}, "t5-base"),  # not t5-base-prefix, which has another prompt
    ({"systems.flan-small.num_beams": 4}, None),
    (
        {
            "systems.flan-small": {"from": "models/finetuned/flan-small"},
            "finetunings.flan-small.base": "flan-small",
        },
        None,
    ),
    (
        {
            "systems.flan-small.template": "{text}",
            "systems.own": {"from": "models/pretrained/flan-small"},
        },
        "own",
    ),
    ({"systems.flan-small.batch_size": 4}, "flan-small"),
    ({"systems.flan-small.num_beams": None}, "flan-small"),
    ({"systems.flan-small.num_beams": 4}, None),
]


@pytest.mark.parametrize(("changes", "name"), BASES)
def test_the_base_is_the_system_that_runs_it_as_it_was_trained(set_params, changes, name):
    set_params(changes)
    assert base_system(read_params(), "finetuned") == name


SYSTEMS = [
    ({"from": "models/finetuned/flan-small"}, "flan-small, fine-tuned"),
    ({"from": "models/pretrained/t5-base"}, "stand-in for google-t5/t5-base"),
    ({"from": "own/t5-base"}, "a local model folder"),  # the name of a checkpoint, not its weights
    ({"from": "own/model", "num_beams": 4}, "a local model folder; num_beams 4"),
    ({"from": "others/gpt.jsonl"}, "foreign: predictions made elsewhere"),
]


@pytest.mark.parametrize(("entry", "message"), SYSTEMS)
def test_a_system_is_said_in_words(project, entry, message):
    params = read_params() | {"systems": {"s": entry}}
    assert what_is(params, "s").en == message


def test_a_prompt_is_quoted_in_spanish_as_it_is(project):
    quoted = "translate English to Spanish, better: {text}"
    params = read_params() | {"systems": {"s": {"from": "own/model", "template": quoted}}}
    assert what_is(params, "s").es == f"una carpeta local con un modelo; instrucción «{quoted}»"


def test_a_markdown_row_stays_one_row():
    lines = markdown_table(
        [row("lead-3", 15.5), row("s", 15.5) | {"probe_exact_pct": 7.5}], "en"
    ).splitlines()
    assert len(lines) == 4
    scores = "30.00 | 10.00 | 15.50 | 14.50–16.50 | 25.00 | 24.00 | 1.50"
    assert lines[2] == f"| `lead-3` | x \\| y z | {scores} |  |"
    assert lines[3] == f"| `s` | x \\| y z | {scores} | 7.50 |"
    assert lines[0].count("|") == lines[1].count("|") == lines[3].count("|") - 1  # the escaped one


def test_a_terminals_rows_are_equally_wide_and_fit_in_100_columns():
    exact = {"probe_exact_pct": 100.0}
    lines = text_table([row("lead-3", 9.0), row("flan-base-english", 100.0) | exact], "en").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) < 100
    assert lines[0].endswith("  ROUGE-1,  ROUGE-L,     lost  probes,")
    assert lines[1].endswith("  content   content  words %  exact %")
    assert lines[2].endswith(" 1.50" + " " * 9)
    assert lines[3].endswith(" 100.00")


def test_the_readmes_show_the_committed_metrics(tmp_path, monkeypatch):
    """Of the last commit: a run since then may have changed metrics/ in the working tree."""
    archive = ["git", "archive", "HEAD", "metrics", "params.yaml", *map(str, READMES)]
    output = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if output.returncode:
        pytest.skip("not a git checkout")
    subprocess.run(["tar", "--extract", f"--directory={tmp_path}"], input=output.stdout, check=True)
    monkeypatch.chdir(tmp_path)
    for path, said in zip(READMES, results_of(read_params()), strict=True):
        readme = path.read_text(encoding="utf-8")
        assert with_results(readme, said, path) == readme, f"{path}: run `make readme`"


def test_results_of_other_params_are_not_shown_as_those_of_these(
    small_run, write, runs, fails, caplog, capsys
):
    for path in READMES:
        write(path, f"{RESULT_MARKS[0]}\n{RESULT_MARKS[1]}\n")
    made_with = {
        "profile": "mini",
        "evaluate": read_params()["evaluate"],
        "profiles.mini.weights": "embedded",
    }
    write("dvc.lock", json.dumps({"stages": {"report": {"params": {"params.yaml": made_with}}}}))
    runs(results)
    runs(results, "--readme")
    assert caplog.messages == []
    write(
        "dvc.lock",
        json.dumps({"stages": {"report": {"params": {"params.yaml": {**made_with, "profile": "course"}}}}}),
    )
    message = "params.yaml: profile: not what the results in metrics/ were made with; `dvc repro` makes those"
    runs(results)
    assert caplog.messages[-1].startswith(message)
    assert fails(results, "--readme").startswith(message)


@pytest.mark.parametrize("count", [2, 4, 6, 12])
def test_no_two_lines_of_a_chart_look_alike(count):
    rows = [
        {"finetuning": f"f{line}", "epoch": epoch, "value": float(line + epoch)}
        for line in range(count)
        for epoch in range(2)
    ]
    chart = line_chart(rows, Canvas("en", is_narrow=True), "epoch", "ROUGE-L")
    lines = re.findall(r'<path d="M0,[^"]*" (stroke="[^>]*)/>', chart)
    assert len(set(lines)) == len(lines) == count
