"""What every stage's command line has in common: logging, one-line errors, the arguments' parser."""

import argparse
import logging
import os
import sys
from collections.abc import Callable

from tqdm.contrib.logging import logging_redirect_tqdm


class InputError(ValueError):
    """A fault in params, data or files that the user can mend; the message says where and how."""


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
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    for library in ("absl", "accelerate", "datasets", "filelock", "httpx2", "transformers"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        with logging_redirect_tqdm():  # a line logged beside a bar does not break it
            main()
    except (InputError, OSError) as error:
        if os.environ.get("RESUMEN_DEBUG"):
            raise
        sys.exit(f"error: {error}")
