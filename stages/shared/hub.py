"""The Hugging Face Hub: a revision resolved to its commit, and its faults said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from stages.shared.cli import InputError
from stages.shared.files import first_line


@contextmanager
def hub_errors(where: str) -> Iterator[None]:
    """Turn the hub's exceptions into an InputError that starts with `where` and says what to do."""
    try:
        yield
    except GatedRepoError as error:
        raise InputError(f"{where}: gated; accept its terms on the hub and set HF_TOKEN") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"{where}: no such repository, or a private one; set HF_TOKEN") from error
    except RevisionNotFoundError as error:
        raise InputError(f"{where}: no such revision in this repository") from error
    except OfflineModeIsEnabled as error:
        raise InputError(f"{where}: HF_HUB_OFFLINE is set; unset it, or use profile=mini") from error
    except HfHubHTTPError as error:
        raise InputError(f"{where}: the hub answered {first_line(error)}; try again") from error
    except (httpx2.HTTPError, LocalEntryNotFoundError, ConnectionError) as error:
        raise InputError(
            f"{where}: cannot reach {constants.ENDPOINT} ({type(error).__name__}); connect, set "
            "HF_ENDPOINT to a mirror, or use profile=mini, which needs no network"
        ) from error


def resolve_commit(repo: str, revision: str, repo_type: str) -> str:
    """Return the 40-digit commit that `revision` (a branch, a tag, a commit) names now.

    Raises:
        InputError: the hub cannot be reached, or has no such repository or revision.
    """
    with hub_errors(f"{repo}@{revision}"):
        return HfApi().repo_info(repo, revision=revision, repo_type=repo_type).sha
