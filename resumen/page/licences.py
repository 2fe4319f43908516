"""Licences: what a fine-tuned model is under, and whether its articles may be quoted."""

import re
from typing import Any

from resumen.page.languages import Bilingual
from resumen.page.table import is_played_by_miniature

LICENCE_IDS = re.compile(r"[a-z0-9.+-]+(, [a-z0-9.+-]+)*")
PERMISSIVE = {  # licences under which a text may be copied, by the Hub's identifiers
    *("apache-2.0", "bsd-2-clause", "bsd-3-clause", "mit", "unlicense"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "odc-by", "pddl"),
}
APACHE_BASES = ("google-t5/", "google/flan-t5-")  # as their own cards say


def news_of(provenance: dict[str, Any]) -> Bilingual:
    """Return what the model was trained on, in words, from the provenance in metrics/data.json."""
    source = provenance["source"]
    news = {
        "embedded": Bilingual("made-up news", "noticias inventadas"),
        "files": Bilingual(f"the file {provenance.get('file')}", f"el archivo {provenance.get('file')}"),
        "hub": Bilingual(*2 * [str(provenance.get("repo"))]),
    }
    return news.get(source, Bilingual(f"the source {source}", f"la fuente {source}"))


def licences_of(provenance: dict[str, Any]) -> list[str]:
    """Return the identifiers of the licences of the articles; none where words or nothing stand instead.

    >>> licences_of({"source": "hub", "repo": "me/noticias", "licence": "mit, cc-by-4.0"})
    ['mit', 'cc-by-4.0']
    """
    licence = "apache-2.0" if provenance["source"] == "embedded" else stated_licence(provenance)
    return licence.split(", ") if LICENCE_IDS.fullmatch(licence) else []


def stated_licence(provenance: dict[str, Any]) -> str:
    """Return what the card of a dataset says of its licence; "" of articles that are not from the hub."""
    return str(provenance["licence"]) if provenance["source"] == "hub" else ""


def licence_of(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return what the card's header says of the licence: that of the dataset, as its own card has it.

    MLSUM's, which its card calls `other`, is for research alone; of one that names none nothing is said.

    >>> licence_of({"source": "hub", "repo": "me/noticias", "licence": "cc-by-4.0"})["license"]
    'cc-by-4.0'
    """
    if provenance["source"] == "embedded":
        return {"license": "apache-2.0"}
    stated: dict[str, Any] = {"license": "other", "license_name": "non-commercial-research"}
    if named := licences_of(provenance):
        stated = {"license": named if len(named) > 1 else named[0]}
    elif not is_non_commercial(provenance):
        return {}
    return stated | {"license_link": f"https://huggingface.co/datasets/{provenance['repo']}"}


def is_non_commercial(provenance: dict[str, Any]) -> bool:
    """Return whether the licence of the articles forbids commercial use, as MLSUM's does."""
    is_for_research = stated_licence(provenance).startswith("non-commercial research")
    return is_for_research or any("-nc" in name for name in licences_of(provenance))


def licence_in_words(params: dict[str, Any], base: str, provenance: dict[str, Any]) -> list[Bilingual]:
    """Return sentences on the licences of the base and of the articles, which the model is under."""
    entry, repo = params["checkpoints"][base], params["checkpoints"][base].get("repo", "")
    is_miniature = is_played_by_miniature(params, base)
    if "folder" in entry:
        of_base = Bilingual(
            "The base is a local folder: its licence is not known here.",
            "La base es una carpeta local: aquí no se conoce su licencia.",
        )
    elif is_miniature:
        of_base = Bilingual(
            "The base is a miniature of this project, under Apache-2.0.",
            "La base es una miniatura de este proyecto, con licencia Apache-2.0.",
        )
    elif repo.startswith(APACHE_BASES):
        of_base = Bilingual(
            f"The base, {repo}, is under Apache-2.0.", f"La base, {repo}, tiene licencia Apache-2.0."
        )
    else:
        of_base = Bilingual(
            f"The licence of the base stands in the card of {repo}.",
            f"La licencia de la base figura en la ficha de {repo}.",
        )
    if provenance["source"] == "embedded":
        of_news = Bilingual(
            "The made-up news is this project's own, under Apache-2.0.",
            "Las noticias inventadas son de este proyecto, con licencia Apache-2.0.",
        )
        if not (is_miniature or repo.startswith(APACHE_BASES)):
            return [of_base, of_news]
        return [of_base, of_news, Bilingual("So is the model.", "El modelo, también.")]
    news, stated = news_of(provenance), stated_licence(provenance)
    if not stated:
        of_news = Bilingual(
            f"The licence of {news.en} is not known here, so the card states none.",
            f"No se conoce aquí la licencia de {news.es}, así que la ficha no declara ninguna.",
        )
    else:
        spanish = "ninguna que conste en la ficha del repositorio"
        if licences_of(provenance):
            spanish = stated
        elif is_non_commercial(provenance):
            spanish = "solo para investigación no comercial; los artículos siguen siendo de los periódicos"
        of_news = Bilingual(
            f"The licence of {news.en}: {stated}. A model trained on it inherits its limits.",
            f"La licencia de {news.es}: {spanish}. Un modelo entrenado con esos textos hereda sus límites.",
        )
    return [of_base, of_news]
