"""What every command line has in common: logging, one-line errors, the arguments' parser."""

import argparse
import atexit
import gc
import logging
import os
import select
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from resumen.runtime.errors import InputError, printable

# git takes a changed params.yaml of the same size and second for the old one; touched, it looks again.
WAY_BACK = (
    "`touch params.yaml; git checkout HEAD params.yaml dvc.lock metrics && dvc checkout --force && dvc repro`"
)

MANY_OBJECTS = 50_000  # made since the last collection; Python's 700 costs 0.2 s of PyTorch's import


class OneLine(logging.Formatter):
    """What is logged, without what a terminal would act on."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        return printable(super().formatMessage(record))


def parser(doc: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose help is the module's docstring, with one example."""
    return argparse.ArgumentParser(
        prog=" ".join(example.split()[: 3 if example.startswith("python -m") else 2]),
        description=doc.strip(),
        epilog=f"example:\n    {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def whole_numbers(text: str) -> list[int]:
    """Return the numbers of "50,150", as an option has them, each once.

    >>> whole_numbers("50,150")
    [50, 150]
    """
    try:
        result = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers joined by commas, got {text!r}") from None
    if len(set(result)) < len(result) or min(result) < 0:
        raise argparse.ArgumentTypeError(f"expected different numbers ≥ 0, got {text!r}")
    return result


def run(main: Callable[[], None]) -> None:
    """Call `main`; an InputError becomes a line a fault on stderr and exit code 1.

    Anything else keeps its traceback, since it is our bug; RESUMEN_DEBUG=1 shows every one. Where that ends
    an experiment, the way back is told.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("absl", "datasets", "filelock", "httpx2", "transformers"):
        logging.getLogger(library).setLevel(logging.WARNING)
    gc.set_threshold(MANY_OBJECTS)  # imports make a million of them, which stay
    atexit.register(gc.freeze)  # what is about to go is not collected first, which with torch takes 0.5 s
    if sys.stdout is None:  # closed, as by `>&-`
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what its encoding lacks becomes a question mark
    try:
        with logging_redirect_tqdm():  # a line logged beside a bar does not break it
            main()
        sys.stdout.flush()
    except KeyboardInterrupt:  # who pressed Ctrl-C wants no traceback
        sys.exit(128 + 2)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and reader_is_gone():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # flushed once more at the end
            sys.exit(128 + 13)  # as a process that SIGPIPE ends
        if os.environ.get("RESUMEN_DEBUG") or not isinstance(error, InputError | OSError):
            for line in way_back():
                error.add_note(line)  # stands below the traceback
            raise
        messages = error.messages if isinstance(error, InputError) else [printable(str(error))]
        sys.exit("\n".join([*(f"error: {message}" for message in messages), *way_back()]))


def reader_is_gone() -> bool:
    """Return whether nobody reads standard output any more, as after `| head`."""
    if not hasattr(select, "poll"):  # Windows
        return True
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def way_back() -> list[str]:
    """Return how to undo what an experiment has changed here, if this process is a part of one.

    Those of DVC's queue run in a folder of their own.
    """
    if "DVC_EXP_NAME" not in os.environ or ".dvc" in Path.cwd().parts:
        return []
    return [f"params.yaml still has the experiment's values; back to the last commit's: {WAY_BACK}"]
