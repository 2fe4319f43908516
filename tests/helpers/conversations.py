"""Conversations that the tests share: one by hand, and any number drawn by seed."""

from random import Random

from resumen.text.characters import is_visible
from resumen.text.conversation import mark_in


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


# The second question can only be answered by whoever has read the first and its answer.
GOLDEN = [
    user("¿Qué río pasa por Logroño?"),
    assistant("Por Logroño pasa el Ebro."),
    user("¿Y en qué mar desemboca?"),
]
GOLDEN_PROMPT = """\
Conversación:
[Usuario] ¿Qué río pasa por Logroño?
[Asistente] Por Logroño pasa el Ebro.
[Usuario] ¿Y en qué mar desemboca?
[Asistente]"""


PIECES = [
    *"{}[]():;¿?¡!«»—ñÑíúÁÉüª…🙂",
    *"\n\r\t \u00a0\u2028\u2029\x85\x1c\x0b",
    *"\u200b\u00ad\ufeff\u2060\u3164\u0301",  # look like nothing
    *"{text} {} {{ [Usuari [Asistente o] Usuario] Usuario: Asistente Conversación:".split(),
    *"</s> <extra_id_0> <pad>".split(),
    *"Según Íñigo, el niño de Logroño comió piñas. ¿Cuándo? Ayer.".split(),
]


def random_messages(seed):
    """Return a conversation of 1 to 9 turns that ends with a question; any of PIECES in its turns."""
    draw = Random(seed)
    messages = []
    for number in range(draw.choice([1, 3, 5, 7, 9])):
        content = "".join(draw.choices(PIECES, k=draw.randint(1, 25)))
        while not is_visible(content) or mark_in(content):
            content = "".join(draw.choices(PIECES, k=draw.randint(1, 25)))
        messages.append(assistant(content) if number % 2 else user(content))
    return messages
