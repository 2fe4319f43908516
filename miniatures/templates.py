"""Templates: how each task is put into words."""

import random

# The question comes first: a long text is cut at its end.
TASK_TEMPLATES = {  # {text}: the article or a part of it; {cue}: what is asked
    "question": (
        "Responde a la pregunta. {cue} Texto: {text}",
        "Pregunta: {cue} Texto: {text}",
        "Lee el texto y responde: {cue} {text}",
    ),
    "questions": ("Responde a las preguntas. {cue} Texto: {text}",),
    "headline": (
        "Escribe un titular para el siguiente articulo: {text}",
        "Pon un titular al siguiente articulo: {text}",
        "Titula el siguiente articulo: {text}",
        "Inventa un titular para esta noticia. {text}",
    ),
    "topic": ("De qué tema trata? {text}", "Pregunta: de qué tema trata? Texto: {text}"),
    "completion": ("Continúa el texto: {text}", "Escribe la frase que sigue. {text}"),
    "find_sentences": (
        "Copia la frase que dice «{cue}»: {text}",
        "Busca la frase con «{cue}». {text}",
    ),
    "repeat": ("Repite: {text}", "Copia: {text}"),
    "continue_after": ("Sigue «{cue}»: {text}", "Qué va detrás de «{cue}»: {text}"),
}
QUESTION_TEMPLATE = TASK_TEMPLATES["question"][0]  # the one that models are evaluated with


def fill_template(template: str, text: str, cue: str) -> str:
    """Return the template with its two slots filled.

    >>> fill_template("Sigue «{cue}»: {text}", text="uno dos tres", cue="uno dos")
    'Sigue «uno dos»: uno dos tres'
    """
    return template.replace("{cue}", cue).replace("{text}", text)


def instruct(rng: random.Random, task: str, text: str, cue: str = "") -> str:
    """Return an instruction of `task`, drawn from its templates, around `text`."""
    return fill_template(rng.choice(TASK_TEMPLATES[task]), text, cue)
