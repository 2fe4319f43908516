"""Errors that the user can fix: one line that says where, what and the next step."""

import difflib
from typing import Any

MAX_LISTED = 40  # of what there is to choose from
MAX_MESSAGE = 2_000  # characters of a message; a file may have a name or a key of any length


class InputError(ValueError):
    """A fault in params, data or files that the user can fix; the message, a line, says where and how.

    Of several faults that were found in one go, `messages` has a line each.
    """

    def __init__(self, *messages: str) -> None:
        self.messages = [printable(shortened_message(message)) for message in messages]
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        super().__init__(self.messages[0] + more)


def shortened_message(message: str) -> str:
    """Return `message`, the middle of a very long one left out."""
    if len(message) <= MAX_MESSAGE:
        return message
    return f"{message[: MAX_MESSAGE - 500]} … {message[-500:]}"


def printable(text: str) -> str:
    """Return `text` in a line that a terminal only prints, whatever else it would do with it.

    >>> print(printable("años" + chr(27) + "[2J" + chr(0x202E)))
    años\\x1b[2J\\u202e
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def shown(value: Any) -> str:
    """Return `value` as a message quotes it, at most 60 characters.

    >>> shown("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"
    """
    try:
        text = repr(value[:61] if isinstance(value, str | bytes) else value)
    except (ValueError, RecursionError):  # an int of 5,000 digits, a list 1,000 lists deep
        return f"a very large {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}…"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().split("\n")[0]


def nearest(word: Any, known: list[str]) -> str:
    """Return "; did you mean …?" for the closest of `known`, or what there is to choose from.

    >>> nearest("learning_rat", ["learning_rate", "seed"])
    '; did you mean learning_rate?'
    >>> nearest("x", ["mini", "files"])
    '; expected one of files, mini'
    """
    close = difflib.get_close_matches(word if isinstance(word, str) else shown(word), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    listed = ", ".join(sorted(known)[:MAX_LISTED])
    return f"; expected one of {listed}{', …' * (len(known) > MAX_LISTED)}"
