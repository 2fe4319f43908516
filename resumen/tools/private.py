"""Private parts of DVC: why each is used, and what is done where a version has it no more.

DVC has no command that reads the objects of a remote, or that removes a wrong one, so that `dvc push` brings
it again. Its stores can. Without them a remote is not read, and the message says what verifies it instead.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from resumen.runtime.errors import InputError, first_line

DVC_LIBRARIES = ("dvc", "dvc_data", "dvc_objects")
REMOTE_LIBRARIES = ("aiobotocore", "aiohttp", "asyncssh", "azure", "botocore", "gcsfs", "google")


class Store(NamedTuple):
    """DVC's cache or a remote: files named by their md5, which their own functions open and remove."""

    name: str  # cache, or --remote=NAME
    root: str
    opens: Callable[[str, str], Any] = open
    removes: Callable[[str], None] = os.remove

    def path(self, oid: str) -> str:
        """Return where an object is, as DVC's documentation has it."""
        return f"{self.root}/{oid[:2]}/{oid[2:]}"

    def content(self, oid: str) -> bytes:
        """Return the bytes of an object."""
        with self.opens(self.path(oid), "rb") as file:
            output: bytes = file.read()
        return output

    def names(self) -> set[str]:
        """Return the names of a cache's objects, also of those of older commits and of the run cache.

        A file with another name is what a killed `dvc` left behind.
        """
        names = {path.parent.name + path.name for path in Path(self.root).glob("??/*")}
        return {name for name in names if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", name)}


def remote_store(name: str) -> Store:
    """Return the objects of a remote.

    `repo.cloud.get_remote_odb` knows its url, its credentials and its options, and the package for it.

    Raises:
        InputError: that package is not installed; or this version of DVC has other private parts.
    """
    try:
        with import_module("dvc.repo").Repo() as repo:
            store = repo.cloud.get_remote_odb(name)
            return Store(f"--remote={name}", store.path, store.fs.open, store.fs.remove)
    except (AttributeError, ModuleNotFoundError, TypeError) as error:
        raise InputError(
            f"remote {name}: this version of DVC does not let the doctor read it, got {first_line(error)}; "
            f"`dvc remote modify {name} verify true` lets `dvc pull` verify what it fetches"
        ) from error
    except ImportError as error:
        raise InputError(f"DVC: {first_line(error)}; install it, or name another remote") from error


@contextmanager
def remote_errors() -> Iterator[None]:
    """Turn what DVC and a remote's own library raise into an InputError, told by the module of its type.

    An error of another library keeps its traceback.
    """
    try:
        yield
    except Exception as error:
        library = type(error).__module__.split(".")[0]
        if library in DVC_LIBRARIES:
            raise InputError(f"DVC: {first_line(error)}") from error
        if library in REMOTE_LIBRARIES:
            raise InputError(f"the remote: {type(error).__name__}: {first_line(error)}") from error
        raise
