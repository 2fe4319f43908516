"""What every stage's command line has in common: logging, one-line errors, the arguments' parser."""

import argparse
import atexit
import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm

MOST_SHOWN = 2_000  # characters of a message; a file may have a name or a key of any length


class InputError(ValueError):
    """A fault in params, data or files that the user can mend; the message, a line, says where and how."""

    def __init__(self, message: str) -> None:
        if len(message) > MOST_SHOWN:
            message = f"{message[: MOST_SHOWN - 500]} … {message[-500:]}"
        super().__init__(printable(message))


class OneLine(logging.Formatter):
    """What is logged, without what a terminal would act on."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        return printable(super().formatMessage(record))


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


def parser(doc: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose help is the module's docstring, with one example."""
    return argparse.ArgumentParser(
        prog=" ".join(example.split()[:3]),  # python -m stages.<name>
        description=doc.strip(),
        epilog=f"example:\n    {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(main: Callable[[], None]) -> None:
    """Call `main`; an InputError becomes one line on stderr and exit code 1.

    Anything else keeps its traceback, since it is our bug; RESUMEN_DEBUG=1 shows every one.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("absl", "accelerate", "datasets", "filelock", "httpx2", "transformers"):
        logging.getLogger(library).setLevel(logging.WARNING)
    atexit.register(gc.freeze)  # what is about to go is not collected first, which with torch takes 0.5 s
    try:
        with logging_redirect_tqdm():  # a line logged beside a bar does not break it
            main()
    except (InputError, OSError) as error:
        if os.environ.get("RESUMEN_DEBUG"):
            raise
        sys.exit(f"error: {printable(str(error))}")
