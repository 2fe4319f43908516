"""The model card of a fine-tuning, which travels with the model."""

import html
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import yaml

from resumen.page.answer import answer_of, caveat_of, is_after_fine_tuning
from resumen.page.languages import Bilingual, bilingual, grouped, tongue_of
from resumen.page.licences import (
    PERMISSIVE,
    is_non_commercial,
    licence_in_words,
    licence_of,
    licences_of,
    news_of,
)
from resumen.page.table import (
    BASELINES,
    is_base_miniature,
    is_played_by_miniature,
    marks_of,
    measure_heads,
    one_line,
    played_by,
    system_of,
)
from resumen.page.templates import filled_in
from resumen.prompts.templates import chosen_set
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    DATA_METRICS,
    EVALUATION_FILE,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    PREDICTIONS_DIR,
    RAW_TEST,
    SCORES_FILE,
    TOKENIZE_METRICS,
)
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.finetunings import finetuning_params, recipe_of
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import section_of
from resumen.schema.rows import read_table
from resumen.schema.systems import SystemParams, system_params
from resumen.scoring.comparisons import base_system
from resumen.scoring.registry import CONTENT, PRIMARY
from resumen.text.conversation import HEADER, MARKS
from resumen.text.prompts import fields_of

MAX_RESULTS = 5  # systems in the table; the report has all of them
RESULT_MEASURES = ("rouge1", "rouge2", PRIMARY, CONTENT)
EXCERPT_WORDS = 150  # of the article that is shown
OPTIMIZER = "AdamW, betas 0.9 and 0.999, epsilon 1e-08"  # that of resumen/training/loop.py
PAPERS = {  # by what is in the name of a repository; those of CITATION.cff
    "flan-t5": "[Flan-T5](https://arxiv.org/abs/2210.11416)",
    "mlsum": "[MLSUM](https://aclanthology.org/2020.emnlp-main.647)",
}


def asked_how(params: dict[str, Any], finetuning: str) -> dict[str, Any]:
    """Return how a fine-tuned model is asked for a summary, as `generate` and `summarize` ask it."""
    ours, name = params["format"], system_of(params, finetuning)
    folder = (FINETUNED_DIR / finetuning).as_posix()
    system = system_params(params, name) if name else SystemParams.model_validate({"from": folder})
    template, style = system.template, "instruction"
    if template is None:
        template = chosen_set(ours["templates"])[0].prompt if ours["templates"] else ours["template"]
        style = ours["style"]
    options = {**section_of(params, "generate"), **system.decoding()}
    wanted = ["max_new_tokens", "num_beams"]
    wanted += ["length_penalty"] * (options["num_beams"] > 1)
    wanted += ["no_repeat_ngram_size"] * (options["no_repeat_ngram_size"] > 0)
    return {
        "template": template,
        "fields": sorted(set(fields_of(template))),
        "style": style,
        "header": f"{HEADER}\n{MARKS['user']} ",
        "mark": f"\n{MARKS['assistant']}",
        "options": ", ".join(f"{name}={options[name]}" for name in wanted),
        "source_tokens": section_of(params, "tokenize")["source_tokens"],
    }


def model_in_words(params: dict[str, Any], base: str) -> Bilingual:
    """Return the base of a fine-tuning in words."""
    entry = params["checkpoints"][base]
    if "folder" in entry:
        return Bilingual(f"{base}, a local folder", f"{base} (una carpeta local)")
    repo = entry["repo"]
    if is_played_by_miniature(params, base):
        return Bilingual(f"A miniature that stands in for {repo}", f"una miniatura que sustituye a {repo}")
    return Bilingual(repo, repo)


def metadata(
    params: dict[str, Any], finetuning: str, evaluation: dict[str, Any], provenance: dict[str, Any]
) -> str:
    """Return the model card's YAML header, as the Hub reads it; each score has its interval in `args`.

    `provenance` is that of metrics/data.json.
    """
    base = params["checkpoints"][finetuning_params(params, finetuning).base]
    data, system = section_of(params, "data"), system_of(params, finetuning)
    header: dict[str, Any] = {} if data["language"] == "any" else {"language": data["language"]}
    header["library_name"], small = "transformers", is_base_miniature(params, finetuning)
    if "repo" in base and section_of(params, "weights") == "hub":
        header["base_model"] = base["repo"]
    header |= licence_of(provenance)
    if data["source"] == "hub":
        header["datasets"] = [data["repo"]]
    tags = ["summarization", "t5", *(["miniature"] if small else [])]
    header |= {"pipeline_tag": "summarization", "tags": tags, "metrics": ["rouge"]}
    result = next((row for row in evaluation["systems"] if row["system"] == system), None)
    if result:
        task = {"type": "summarization", "name": "Summarization"}
        where = {"type": data.get("repo", params["profile"]), "split": "test"}
        where["name"] = f"test split, profile {params['profile']}, {evaluation['num_articles']} articles"
        values = [
            {
                **{"type": "rouge", "name": name, "value": result[name]["mean"]},
                "args": {bound: result[name][bound] for bound in ("lower", "upper")}
                | {"confidence": evaluation["confidence"]},
            }
            for name in ("rouge1", "rouge2", "rougeL")
        ]
        results = [{"task": task, "dataset": where, "metrics": values}]
        header["model-index"] = [{"name": "resumen-miniature" if small else "resumen", "results": results}]
    text: str = yaml.safe_dump(header, allow_unicode=True, sort_keys=False)
    return text


def card_of(params: dict[str, Any], finetuning: str) -> str:
    """Return the text of the model card of a fine-tuning, from the metrics of the last run.

    Raises:
        InputError: a file of metrics is missing.
    """
    metrics = read_json(FINETUNE_METRICS / f"{finetuning}.json")
    if LEFT_OUT in metrics:
        return f"No model: {finetuning} is left out: {metrics[LEFT_OUT]}\n"
    return filled_in("model_card.md.j2", card_values(params, finetuning))


def card_values(params: dict[str, Any], finetuning: str) -> dict[str, Any]:
    """Return all that the card shows."""
    evaluation, audit = read_json(EVALUATION_FILE), read_json(DATA_METRICS)
    finetune = read_json(FINETUNE_METRICS / f"{finetuning}.json")
    tokenize = read_json(TOKENIZE_METRICS / f"{finetuning}.json")
    base, provenance = finetuning_params(params, finetuning).base, audit["provenance"][0]
    system = system_of(params, finetuning)
    scores = {row["system"]: row for row in evaluation["systems"]}
    splits = {row["split"]: row for row in audit["splits"]}
    measured = {name for row in scores.values() for name in row}
    return {
        "answer": answer_of(params, evaluation, marks_of(params)),
        "base": base,
        "caveat": caveat_of(params, evaluation),
        "columns": measure_heads(name for name in RESULT_MEASURES if name in measured),
        "confidence_pct": f"{100 * evaluation['confidence']:g}",
        "dropped": Counter(splits["train"]["dropped"]) + Counter(splits["validation"]["dropped"]),
        "evaluate": section_of(params, "evaluate"),
        "evaluation": evaluation,
        "example": read_example(system, provenance) if system and system in scores else None,
        "finetune": finetune,
        "folder": (FINETUNED_DIR / finetuning).as_posix(),
        "how": asked_how(params, finetuning),
        "is_miniature": is_base_miniature(params, finetuning),
        "is_non_commercial": is_non_commercial(provenance),
        "licence": licence_in_words(params, base, provenance),
        "metadata": metadata(params, finetuning, evaluation, provenance),
        "model": model_in_words(params, base),
        "news": news_of(provenance),
        "papers": papers_of(params, base, provenance),
        "probes": probes_of(evaluation, system, base_system(params, system)),
        "provenance": provenance,
        "recipe": recipe_rows(params, finetuning, finetune, scores.get(system)),
        "result": scores.get(system),
        "results": result_rows(params, evaluation, system),
        "splits": splits,
        "tokenize": tokenize,
        "tongue": tongue_of(section_of(params, "data")["language"]),
    }


def result_rows(
    params: dict[str, Any], evaluation: dict[str, Any], system: str | None
) -> list[dict[str, Any]]:
    """Return the systems that the card shows beside `system`, each with what it is and its scores.

    They are its base, the other fine-tuned one of its 2 × 2, a baseline and the ceiling, as far as scored.
    """
    scores = {row["system"]: row for row in evaluation["systems"]}
    base = base_system(params, system)
    what: dict[str | None, Bilingual] = {system: Bilingual("this model", "este modelo")}
    what[base] = Bilingual("its base, not fine-tuned", "su base, sin ajuste fino")
    for row in evaluation["interactions"]:
        pair = row["systems"][:2]
        if system in pair and is_after_fine_tuning(params, row):
            other = next(name for name in pair if name != system)
            of = finetuning_params(params, str(system_params(params, other).finetuning)).base
            what.setdefault(other, Bilingual(f"{of}, fine-tuned too", f"{of}, también con ajuste fino"))
    what |= {name: bilingual(BASELINES[name]) for name in ("lead-3", "oracle")}
    rows = [{**scores[name], "what": what[name]} for name in what if name in scores]
    return rows[:MAX_RESULTS]


def recipe_rows(
    params: dict[str, Any], finetuning: str, finetune: dict[str, Any], result: dict[str, Any] | None
) -> dict[str, str]:
    """Return the hyperparameters by their labels; `result` is what was scored of the system that runs it."""
    recipe, tokens = recipe_of(params, finetuning), section_of(params, "tokenize")
    base = finetuning_params(params, finetuning).base
    size = finetune["batch_size"]
    batch = f"{size} articles, of shorter ones up to {2 * size}"
    if recipe.gradient_accumulation > 1:
        batch += f"; {recipe.gradient_accumulation} such batches a step"
    made_with = [] if result is None else [entry.split(":") for entry in result["decoding"].split("|")]
    versions = [" ".join(entry) for entry in made_with if entry[0] in ("torch", "transformers")]
    return {
        "base": played_by(params, base).en,
        "parameters": grouped(finetune["num_parameters"]).en,
        "training articles": grouped(finetune["rows"]).en,
        "epochs": f"{finetune['epochs']}; epoch {finetune['best_epoch']} is kept, by ROUGE-L on validation",
        "batch": batch,
        "steps": grouped(finetune["steps"]).en,
        "learning rate": f"{finetune['learning_rate']:g}, {recipe.schedule}, warm-up over "
        f"{100 * recipe.warmup_ratio:g} % of the steps",
        "optimizer": f"{OPTIMIZER}; weight decay {recipe.weight_decay:g}, gradient norm at most "
        f"{recipe.max_grad_norm:g}",
        "dropout, label smoothing": f"{recipe.dropout:g}, {recipe.label_smoothing:g}",
        "precision": finetune["precision"],
        "seed": str(recipe.seed),
        "source, target": f"{tokens['source_tokens']}, {tokens['target_tokens']} tokens",
        **({"versions, for the summaries": ", ".join(versions)} if versions else {}),
    }


def probes_of(evaluation: dict[str, Any], system: str | None, base: str | None) -> dict[str, Any] | None:
    """Return how many probes the system and its base answer exactly, in %; None if one was not asked."""
    asked = {row["system"]: row for row in evaluation["probes"]}
    if system not in asked or base not in asked:
        return None
    own, before = asked[system], asked[base]
    return {"asked": own["num_asked"], "system": own["exact_pct"], "base": before["exact_pct"]}


def papers_of(params: dict[str, Any], base: str, provenance: dict[str, Any]) -> list[str]:
    """Return links to the papers of what the model is made of."""
    is_published = section_of(params, "weights") == "hub"
    repos = [params["checkpoints"][base].get("repo", "") if is_published else "", provenance.get("repo", "")]
    return [paper for key, paper in PAPERS.items() if any(key in repo.lower() for repo in repos)]


def read_example(system: str, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the example of a system; its texts are read, and as much of them kept as `quoted` says."""
    scores = read_table(SCORES_FILE, ["system", "id", PRIMARY])
    score, name = median_of((row[PRIMARY], row["id"]) for row in scores if row["system"] == system)
    article = next(row for row in read_table(RAW_TEST, ["id", "text", "summary"]) if row["id"] == name)
    output = read_jsonl(PREDICTIONS_DIR / f"{system}.jsonl", ("id", "prediction"))
    written = next(row["prediction"] for row in output if row["id"] == name)
    return {"id": name, "score": score, "texts": quoted(article, written, provenance)}


def median_of(scores: Iterable[tuple[float, str]]) -> tuple[float, str]:
    """Return the score in the middle and its article; of an even number the lower of the two.

    >>> median_of([(3.0, "c"), (9.0, "a"), (1.0, "b"), (4.0, "d")])
    (3.0, 'c')
    """
    ordered = sorted(scores)
    return ordered[(len(ordered) - 1) // 2]


def quoted(article: dict[str, Any], written: str, provenance: dict[str, Any]) -> dict[str, str]:
    """Return what the example shows, by its labels, as Markdown for the cells of a table.

    A card is public and is copied on. So the article and its reference are quoted if their licence lets
    anybody copy them. Of others from the hub, such as MLSUM's, the reader who has the corpus finds them by
    the id, and sees here what is not theirs, the model's output. Of somebody's own file nothing is quoted:
    it may be private, and a summary tells what it says.
    """
    text, reference = article["text"].split(), article["summary"].split()
    license_ids = licences_of(provenance)
    if license_ids and PERMISSIVE.issuperset(license_ids):
        excerpt = " ".join(text[:EXCERPT_WORDS]) + " […]" * (len(text) > EXCERPT_WORDS)
        return {
            f"article, {len(text)} words": in_cell(excerpt),
            "reference": in_cell(article["summary"]),
            "this model": in_cell(written),
        }
    withheld = {
        f"article, {len(text)} words": "not quoted: see Licence",
        "reference": f"{len(reference)} words, not quoted",
    }
    if provenance["source"] == "hub":
        return withheld | {"this model": in_cell(written)}
    return withheld | {"this model": f"{len(written.split())} words, not quoted"}


def in_cell(text: str) -> str:
    """Return `text` as it may stand in the cell of a Markdown table, none of it taken for Markdown.

    >>> in_cell("*a* <b>\\n| c")
    '\\\\*a\\\\* &lt;b&gt; \\\\| c'
    """
    return one_line(re.sub(r"([\\`*_\[\]#~$])", r"\\\1", html.escape(text, quote=False)))
