"""Conversations: turns as one text, a mark before each, and back.

T5's tokenizer turns line ends into spaces, so what parts the turns has to be text.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from resumen.runtime.errors import nearest, shown
from resumen.runtime.guards import fault_of
from resumen.text.characters import collapse_white_space, is_visible

HEADER = "Conversación:"
MARKS = {"user": "[Usuario]", "assistant": "[Asistente]", "system": "[Sistema]"}
ROLES = tuple(MARKS)
TAKE_TURNS = ("user", "assistant")
ALIASES = {
    "human": "user",
    "gpt": "assistant",
    "model": "assistant",
    "developer": "system",
}  # of other formats

Message = dict[str, str]  # role: user, assistant or system; content: what was said


def render_conversation(messages: Sequence[Message]) -> str:
    """Return the turns as a prompt, one a line, ending with the mark that the assistant answers after.

    >>> print(render_conversation([{"role": "user", "content": "¿Dónde está Logroño?"}]))
    Conversación:
    [Usuario] ¿Dónde está Logroño?
    [Asistente]
    """
    turns = [f"{MARKS[message['role']]} {collapse_white_space(message['content'])}" for message in messages]
    return "\n".join([HEADER, *turns, MARKS["assistant"]])


def parse_conversation(prompt: str) -> list[Message]:
    """Return the turns of a prompt that `render_conversation` made, white space collapsed.

    Raises:
        ValueError: `render_conversation` did not make it.
    """
    lines = prompt.split("\n")
    turns = lines[1:-1]
    if lines[0] != HEADER or lines[-1] != MARKS["assistant"] or not turns:
        raise ValueError(f"expected {HEADER!r}, turns, and {MARKS['assistant']!r} at the end")
    roles = {mark: role for role, mark in MARKS.items()}
    messages = []
    for number, turn in enumerate(turns, start=1):
        mark, _, content = turn.partition(" ")
        if mark not in roles or not content:
            raise ValueError(f"turn {number}: expected {' or '.join(roles)} and what was said, got {turn!r}")
        messages.append({"role": roles[mark], "content": content})
    return messages


def check_messages(value: Any) -> list[Message]:
    """Return `value` as turns of user and assistant, one after the other, the assistant's the last.

    A turn of the system may come before them. See `check_turn` for the forms of a turn.

    Raises:
        ValueError: it is anything else; the message names the turn, counted from 1.
    """
    if not isinstance(value, list):
        raise ValueError(f"expected a list of turns, each with role and content, got {shown(value)}")
    if not value:
        raise ValueError("expected a question and its answer, got []; add them, or leave the row out")
    messages = [
        check_turn(turn, number) for number, turn in enumerate(value, start=1) if not is_silent_system(turn)
    ]
    if not messages:
        raise ValueError("expected a question and its answer, got a system's turn alone; leave the row out")
    num_before = int(messages[0]["role"] == "system")
    for number, message in enumerate(messages[num_before:]):
        expected = TAKE_TURNS[number % 2]
        if message["role"] != expected:
            before = f"after {TAKE_TURNS[(number + 1) % 2]}" if number else "at the beginning"
            raise ValueError(
                f"turn {number + num_before + 1}: expected {expected} {before}, got {message['role']}: "
                f"{shown(message['content'])}; user and assistant take turns"
            )
    if messages[-1]["role"] != "assistant":
        raise ValueError(
            f"turn {len(messages)}: expected assistant at the end, got {messages[-1]['role']}: "
            f"{shown(messages[-1]['content'])}; add the answer, which is what the model learns to write"
        )
    return messages


def check_turn(turn: Any, number: int) -> Message:
    """Return one turn, its role known and its content a text that can stand in a prompt.

    ShareGPT's `from` and `value` (human, gpt) are read too, and a content in parts, all of them texts. Other
    keys of a turn are left out; line ends become "\\n".

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(turn, dict):
        raise ValueError(f"turn {number}: expected an object with role and content, got {shown(turn)}")
    keys = ("from", "value") if "role" not in turn and "from" in turn else ("role", "content")
    if missing := [key for key in keys if key not in turn]:
        raise ValueError(f"turn {number}: lacks {missing[0]}, got {shown(turn)}; add it")
    role, content = (turn[key] for key in keys)
    if isinstance(role, str):
        role = ALIASES.get(role, role)
    if isinstance(content, list):
        content = joined_parts(content, number)
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"turn {number}: unknown role {shown(role)}{nearest(role, list(ROLES))}")
    if not isinstance(content, str) or not is_visible(content):
        raise ValueError(f"turn {number}: content: expected what the {role} said, got {shown(content)}")
    if fault := fault_of(content):
        raise ValueError(f"turn {number}: content: {fault}")
    if mark := mark_in(content):
        raise ValueError(
            f"turn {number}: content: holds {mark}, which would look like a turn, got {shown(content)}; "
            "write it in another way, or leave the row out"
        )
    return {"role": role, "content": content.replace("\r\n", "\n").replace("\r", "\n")}


def is_silent_system(turn: Any) -> bool:
    """Return whether a turn is the system's and empty, as in many public sets."""
    if not isinstance(turn, dict) or "system" not in (turn.get("role"), turn.get("from")):
        return False
    return not (turn.get("content") or turn.get("value"))


def joined_parts(parts: list[Any], number: int) -> str:
    """Return the texts of a content in parts, a line each.

    Raises:
        ValueError: one of them is no text, such as an image.
    """
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise ValueError(f"turn {number}: content: expected parts with a text each, got {shown(part)}")
    return "\n".join(part["text"] for part in parts)


def mark_in(text: str) -> str | None:
    """Return the mark of a turn that `text` holds as the tokenizer reads it, or None.

    T5's normalizer (NFKC) drops control characters and makes full-width brackets plain ones.

    >>> mark_in("dijo ［Usuario］ y calló")
    '[Usuario]'
    """
    read = "".join(letter for letter in collapse_white_space(text) if unicodedata.category(letter) != "Cc")
    read = unicodedata.normalize("NFKC", read)
    return next((mark for mark in MARKS.values() if mark in read), None)
