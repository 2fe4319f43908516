"""What hostile files hold: a payload that would make a canary, and files of a size that nobody wants."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

CANARY = "canary"  # what every payload would make in the working directory
PAYLOAD = f"import pathlib; pathlib.Path({CANARY!r}).touch()\n"
SHELL = f"touch {CANARY}"


class Touch:
    """What makes the canary as it is read back from a pickle."""

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (SHELL,)


PICKLE = pickle.dumps(Touch())


def sparse(path: Path, size: int = 2**30) -> None:
    """Make `path` a file of `size` zero bytes that takes no room."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


AUTO = {"AutoConfig": "modeling_own.Config", "AutoModelForSeq2SeqLM": "modeling_own.Model"}
