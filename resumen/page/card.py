"""The model card of a fine-tuning, which travels with the model."""

import re
from typing import Any

import yaml

from resumen.page.answer import answer_of, caveat_of
from resumen.page.languages import tongue_of
from resumen.page.table import is_base_miniature, marks_of, measure_heads, played_by, system_of, system_rows
from resumen.page.templates import filled_in
from resumen.prompts.templates import chosen_set
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    DATA_METRICS,
    EVALUATION_FILE,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    TOKENIZE_METRICS,
)
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.finetunings import finetuning_params
from resumen.schema.params import section_of
from resumen.schema.systems import SystemParams, system_params
from resumen.scoring.registry import head_measures
from resumen.text.conversation import HEADER, MARKS
from resumen.text.prompts import fields_of


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


def news_of(provenance: dict[str, Any]) -> str:
    """Return what the model was trained on, in words, from the provenance in metrics/data.json."""
    source = provenance["source"]
    news = {
        "embedded": "made-up news",
        "files": f"the file {provenance.get('file')}",
        "hub": f"{provenance.get('repo')} at {provenance.get('commit')}",
    }
    return news.get(source, f"the source {source}")


def licence_of(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return what the card's header says of the licence: that of the dataset, as its own card has it.

    MLSUM's, which its card calls `other`, is for research alone; of one that names none nothing is said.

    >>> licence_of({"source": "hub", "repo": "me/noticias", "licence": "cc-by-4.0"})["license"]
    'cc-by-4.0'
    """
    if provenance["source"] == "embedded":
        return {"license": "apache-2.0"}
    licence, names = provenance.get("licence", ""), re.compile(r"[a-z0-9.+-]+(, [a-z0-9.+-]+)*")
    if licence.startswith("non-commercial research"):
        stated = {"license": "other", "license_name": "non-commercial-research"}
    elif names.fullmatch(licence):
        all_of_them = licence.split(", ")
        stated = {"license": all_of_them if len(all_of_them) > 1 else licence}
    else:
        return {}
    return stated | {"license_link": f"https://huggingface.co/datasets/{provenance['repo']}"}


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
                **{"type": name.lower(), "name": name, "value": result[name]["mean"]},
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
    base, provenance = finetuning_params(params, finetuning).base, audit["provenance"][0]
    language = section_of(params, "data")["language"]
    return {
        "answer": answer_of(params, evaluation, marks_of(params)),
        "base": base,
        "caveat": caveat_of(params, evaluation),
        "columns": measure_heads(head_measures(language)),
        "confidence_pct": 100 * evaluation["confidence"],
        "data": audit,
        "evaluation": evaluation,
        "finetune": read_json(FINETUNE_METRICS / f"{finetuning}.json"),
        "folder": (FINETUNED_DIR / finetuning).as_posix(),
        "how": asked_how(params, finetuning),
        "is_miniature": is_base_miniature(params, finetuning),
        "metadata": metadata(params, finetuning, evaluation, provenance),
        "news": news_of(provenance),
        "played_by": played_by(params, base).en,
        "systems": system_rows(params, evaluation),
        "tokenize": read_json(TOKENIZE_METRICS / f"{finetuning}.json"),
        "tongue": tongue_of(language).en,
    }
