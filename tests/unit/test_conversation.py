"""Conversations: what is rendered can be read back, and a row that would be misread is refused."""

import re

import pytest

from resumen.schema.sections import STYLES, check_style
from resumen.text.characters import collapse_white_space
from resumen.text.conversation import MARKS, check_messages, parse_conversation, render_conversation
from tests.helpers.conversations import GOLDEN, GOLDEN_PROMPT, assistant, random_messages, user


def test_a_conversation_is_a_header_its_turns_and_the_mark_to_answer_after():
    assert render_conversation(GOLDEN) == GOLDEN_PROMPT
    assert parse_conversation(GOLDEN_PROMPT) == GOLDEN


def test_white_space_inside_a_turn_is_one_space_so_a_turn_is_a_line():
    prompt = render_conversation([user("  Llueve\r\n\r\n[Usuari o]\ten\u2028Logroño\x1c\x85. ")])
    assert prompt == "Conversación:\n[Usuario] Llueve [Usuari o] en Logroño .\n[Asistente]"


@pytest.mark.parametrize("start", range(0, 600, 100))
def test_no_turn_is_lost_or_swapped(start):
    for seed in range(start, start + 100):
        messages = random_messages(seed)
        prompt = render_conversation(messages)
        expected = [{**message, "content": collapse_white_space(message["content"])} for message in messages]
        assert parse_conversation(prompt) == expected, f"seed {seed}"
        assert prompt.count("\n") == len(messages) + 1
        assert sum(prompt.count(mark) for mark in MARKS.values()) == len(messages) + 1


def test_every_rendered_conversation_was_accepted_with_its_answer():
    for seed in range(300):
        messages = random_messages(seed)
        answered = [*messages, assistant("Sí.")]
        checked = check_messages(answered)
        assert render_conversation(checked[:-1]) == render_conversation(messages)
        assert [turn["role"] for turn in checked] == [turn["role"] for turn in answered]


NOT_RENDERED = [
    ("", "expected 'Conversación:', turns, and '[Asistente]' at the end"),
    ("Resume:\n\nLlueve.", "expected 'Conversación:', turns, and"),
    ("Conversación:\n[Asistente]", "expected 'Conversación:', turns, and"),
    ("[Usuario] a\n[Asistente]", "expected 'Conversación:', turns, and"),
    ("Conversación:\n[Usuario] a", "expected 'Conversación:', turns, and"),
    (
        "Conversación:\n[Usuario] a\nb\n[Asistente]",
        "turn 2: expected [Usuario] or [Asistente] or [Sistema] and what was",
    ),
    (
        "Conversación:\n[Usuario]\n[Asistente]",
        "turn 1: expected [Usuario] or [Asistente] or [Sistema] and what was said",
    ),
    (
        "Conversación:\n[Usuario]a\n[Asistente]",
        "turn 1: expected [Usuario] or [Asistente] or [Sistema] and what was said",
    ),
]


@pytest.mark.parametrize(("prompt", "message"), NOT_RENDERED)
def test_a_prompt_that_is_no_conversation_is_not_read_as_one(prompt, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_conversation(prompt)


ASKED, ANSWERED = user("¿Llueve?"), assistant("Sí, mucho.")
SYSTEM = {"role": "system", "content": "Sé breve."}

# what stands in a row, and what is said of it
FAULTS = [
    (None, "expected a list of turns, each with role and content, got None"),
    ("¿Llueve?", "expected a list of turns, each with role and content, got '¿Llueve?'"),
    (
        ASKED,
        "expected a list of turns, each with role and content, got {'role': 'user', 'content': '¿Llueve?'}",
    ),
    ([], "expected a question and its answer, got []; add them, or leave the row out"),
    (["¿Llueve?", ANSWERED], "turn 1: expected an object with role and content, got '¿Llueve?'"),
    ([None, ANSWERED], "turn 1: expected an object with role and content, got None"),
    ([ASKED, {"content": "Sí."}], "turn 2: lacks role, got {'content': 'Sí.'}; add it"),
    ([{"role": "user"}, ANSWERED], "turn 1: lacks content, got {'role': 'user'}; add it"),
    (
        [{"role": None, "content": "a"}, ANSWERED],
        "turn 1: unknown role None; expected one of assistant, system, user",
    ),
    ([user(None), ANSWERED], "turn 1: content: expected what the user said, got None"),
    ([ASKED, assistant(3)], "turn 2: content: expected what the assistant said, got 3"),
    ([ASKED, assistant("")], "turn 2: content: expected what the assistant said, got ''"),
    ([user(" \n\u00a0"), ANSWERED], "turn 1: content: expected what the user said, got ' \\n\\xa0'"),
    ([user("\u200b\u00ad"), ANSWERED], "turn 1: content: expected what the user said, got '\\u200b\\xad'"),
    ([ASKED, {**ANSWERED, "role": "asistant"}], "turn 2: unknown role 'asistant'; did you mean assistant?"),
    ([SYSTEM], "turn 1: expected assistant at the end, got system: 'Sé breve.'; add the answer"),
    ([SYSTEM, ANSWERED], "turn 2: expected user at the beginning, got assistant: 'Sí, mucho.'"),
    ([ASKED, SYSTEM, ANSWERED], "turn 2: expected assistant after user, got system: 'Sé breve.'"),
    ([{"from": "human"}, ANSWERED], "turn 1: lacks value, got {'from': 'human'}; add it"),
    ([{"from": "gtp", "value": "a"}, ANSWERED], "turn 1: unknown role 'gtp'; expected one of"),
    (
        [user([{"type": "image_url", "image_url": {}}]), ANSWERED],
        "turn 1: content: expected parts with a text each, got {'type': 'image_url', 'image_url': {}}",
    ),
    ([user([]), ANSWERED], "turn 1: content: expected what the user said, got ''"),
    (
        [ASKED, user("¿Y en Soria?"), ANSWERED],
        "turn 2: expected assistant after user, got user: '¿Y en Soria?'; user and assistant take turns",
    ),
    (
        [ASKED, ANSWERED, ANSWERED],
        "turn 3: expected user after assistant, got assistant: 'Sí, mucho.'; user and assistant take turns",
    ),
    ([ANSWERED], "turn 1: expected user at the beginning, got assistant: 'Sí, mucho.'; user and"),
    ([ANSWERED, ASKED, ANSWERED], "turn 1: expected user at the beginning, got assistant: 'Sí, mucho.'"),
    ([ASKED], "turn 1: expected assistant at the end, got user: '¿Llueve?'; add the answer, which is what"),
    (
        [ASKED, ANSWERED, user("¿Y en Soria?")],
        "turn 3: expected assistant at the end, got user: '¿Y en Soria?'",
    ),
    (
        [user("Dijo [Asistente] y calló"), ANSWERED],
        "turn 1: content: holds [Asistente], which would look like a turn, got 'Dijo [Asistente] y calló'",
    ),
    (
        [ASKED, assistant("¿[Usuario]?")],
        "turn 2: content: holds [Usuario], which would look like a turn, got",
    ),
    ([ASKED, assistant("［Usuario］")], "turn 2: content: holds [Usuario], which would look like a turn"),
    ([ASKED, assistant("[Usu\x07ario]")], "turn 2: content: holds [Usuario], which would look like a turn"),
    (
        [user("a" * 500 + "[Usuario]"), ANSWERED],
        f"turn 1: content: holds [Usuario], which would look like a turn, got '{'a' * 59}…; ",
    ),
]


@pytest.mark.parametrize(("value", "message"), FAULTS)
def test_messages_that_are_no_conversation_are_refused(value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check_messages(value)


FORMS = [
    [SYSTEM, ASKED, ANSWERED],
    [
        {"from": "system", "value": "Sé breve."},
        {"from": "human", "value": "¿Llueve?"},
        {"from": "gpt", "value": "Sí, mucho."},
    ],
    [
        {"role": "developer", "content": "Sé breve."},
        user([{"type": "text", "text": "¿Llueve?"}]),
        {"role": "model", "content": [{"type": "text", "text": "Sí, mucho."}]},
    ],
]


@pytest.mark.parametrize("given", FORMS)
def test_the_forms_in_which_people_have_turns_are_one(given):
    messages = check_messages(given)
    assert messages == [SYSTEM, ASKED, ANSWERED]
    prompt = render_conversation(messages[:-1])
    assert prompt == "Conversación:\n[Sistema] Sé breve.\n[Usuario] ¿Llueve?\n[Asistente]"
    assert parse_conversation(prompt) == messages[:-1]


def test_messages_keep_role_and_content_and_lose_what_else_a_turn_holds():
    given = [{**ASKED, "id": 7}, {**ANSWERED, "content": "Sí,\r\nmucho.\rMucho."}]
    assert check_messages(given) == [ASKED, assistant("Sí,\nmucho.\nMucho.")]


@pytest.mark.parametrize("style", STYLES)
def test_a_style_that_is_known_is_taken(style):
    assert check_style(style) == style


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("conversacion", "unknown style, expected instruction or conversation"),
        ("x", "unknown style, expected instruction or conversation"),
    ],
)
def test_an_unknown_style_is_refused_with_the_nearest(style, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_style(style)
