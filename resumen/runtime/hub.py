"""The Hugging Face Hub: revisions resolved, files fetched and verified, its faults said in one line."""

import errno
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    get_cached_repo_tree,
    set_client_factory,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
    SafetensorsParsingError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import SafetensorsFileMetadata, disable_progress_bars

from resumen.runtime.errors import InputError, first_line
from resumen.runtime.files import remove, sha256_of
from resumen.runtime.guards import MAX_BYTES, MAX_TOKENIZER
from resumen.runtime.hubclient import (
    MAX_TRIES,
    HubError,
    hub_client,
    log_once,
    no_answer,
    proxy_for,
    seconds_to_wait,
    without_password,
)

log = logging.getLogger("hub")

Result = TypeVar("Result")

COMMIT = re.compile(r"[0-9a-f]{40}")
# Tried again by the clients already, or no better the next time.
NOT_TRANSIENT = (httpx2.ConnectError, httpx2.TimeoutException, httpx2.ProxyError, httpx2.UnsupportedProtocol)
# What huggingface_hub raises of a header that is none, or whose JSON is of another kind.
NO_HEADER = (SafetensorsParsingError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
MAX_REFS = 20  # of a repository, that are looked through for weights
OFFLINE_MESSAGE = "HF_HUB_OFFLINE is set, and HF_HOME lacks it; unset it, or use profile=mini"

set_client_factory(hub_client)
log_once("huggingface_hub")


class XetError(OSError):
    """What hf_xet, which fetches what the hub keeps in Xet, raises as a RuntimeError or a ValueError."""


@contextmanager
def hub_errors(where: str) -> Iterator[None]:
    """Turn the hub's exceptions into an InputError that starts with `where` and says what to do."""
    try:
        yield
    except OSError as given:  # huggingface_hub's, httpx2's and the disk's
        error = cause_of(given)
        if message := explain(error):
            raise InputError(f"{where}: {message}") from error
        raise
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        raise InputError(f"{where}: {explain(error)}") from error
    except HFValidationError as error:
        raise InputError(
            f"{where}: expected a repository as owner/name, such as google/flan-t5-small"
        ) from error


def cause_of(error: BaseException) -> BaseException:
    """Return what is behind the client's "not found in your cache either", or `error` itself."""
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return error.__cause__
    return error


def explain(error: BaseException) -> str:
    """Return what went wrong and what to do; "" if it has nothing to do with the hub."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(error, GatedRepoError):
        return "gated; accept its terms on the hub and set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository, or a private one; fix the name, or set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return "no such revision in this repository; take a commit, a branch or a tag that it has"
    asked_offline = constants.is_offline_mode() and isinstance(error, ConnectionError)  # of `datasets`
    if isinstance(error, OfflineModeIsEnabled) or asked_offline:
        return OFFLINE_MESSAGE
    if isinstance(error, HubError):
        return str(error)
    if isinstance(error, XetError):
        return f"{error}; try again later, or set HF_HUB_DISABLE_XET=1 to fetch over plain HTTP"
    if isinstance(error, EntryNotFoundError) and response is not None and status == 404:
        return f"no such file: {response.url.path.rpartition('/')[2]}"
    if status in (401, 403):
        return f"the hub answered {status}; set HF_TOKEN to a token that may read it"
    if status == 429:
        seconds = seconds_to_wait(response, default=60)  # type: ignore[arg-type]  # it has a status
        advice = f"try again in {seconds:,.0f} s; HF_TOKEN raises the limit"
        return f"the hub answered 429, too many requests; {advice}"
    if isinstance(error, HfHubHTTPError):
        return f"the hub answered {first_line(error)}; try again later"
    if isinstance(error, httpx2.TimeoutException):
        return no_answer(error)
    if isinstance(error, httpx2.HTTPError | LocalEntryNotFoundError | ConnectionError):
        if proxy := proxy_for(constants.ENDPOINT):
            reason = f"{type(error).__name__}: {without_password(first_line(error))}"
            through = f"cannot reach {constants.ENDPOINT} through the proxy {proxy}"
            return f"{through} ({reason}); correct the variable, or unset it"
        return (
            f"cannot reach {constants.ENDPOINT} ({type(error).__name__}); connect, set HF_ENDPOINT to a "
            "mirror, or use profile=mini, which needs no network"
        )
    if getattr(error, "errno", None) == errno.ENOSPC:
        return f"no space left for it under {constants.HF_HOME}; free some, or set HF_HOME to another disk"
    return ""


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later: a cut connection, an overloaded hub."""
    error = cause_of(error)
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return status >= 500
    cut = isinstance(error, httpx2.TransportError) and not isinstance(error, NOT_TRANSIENT)
    return cut or "Consistency check failed" in str(error)


def with_retries(where: str, call: Callable[[], Result]) -> Result:
    """Return what `call` returns, tried up to MAX_TRIES times where waiting may help.

    Raises:
        InputError: the hub's last answer, in one line.
    """
    with hub_errors(where):
        for number in range(1, MAX_TRIES):
            try:
                return call()
            except (OSError, httpx2.HTTPError) as error:
                if not is_transient(error):
                    raise
                message = first_line(cause_of(error)) or type(error).__name__
                log.warning("%s: %s; trying again (%d of %d)", where, message, number + 1, MAX_TRIES)
                time.sleep(2 ** (number - 1))
        return call()


def resolve_commit(repo: str, revision: str, repo_type: str) -> str:
    """Return the 40-digit commit that `revision` (a branch, a tag, a commit) names now.

    A commit is asked for too: whether the hub answers is then known at once. Under HF_HUB_OFFLINE a commit
    is taken as it is, and a branch or a tag names the commit that it named when it was last asked for.

    Raises:
        InputError: the hub cannot be reached, or has no such repository or revision; or, offline, HF_HOME
            does not know the branch or the tag.
    """
    where, api = f"{repo}@{revision}", HfApi()
    if constants.is_offline_mode():
        return cached_commit(repo, revision, repo_type)
    info = with_retries(where, lambda: api.repo_info(repo, revision=revision, repo_type=repo_type))
    assert info.sha is not None  # it may be so in lists of repositories alone
    if not COMMIT.fullmatch(revision):  # asked again by what notes the answer in HF_HOME
        with hub_errors(where), suppress(RevisionResolutionError):
            api.resolve_revision(repo, revision=revision, repo_type=repo_type)
    return info.sha


def cached_commit(repo: str, revision: str, repo_type: str) -> str:
    """Return the commit that `revision` named when huggingface_hub's cache last heard of it.

    Raises:
        InputError: the cache has not heard of it.
    """
    where, api = f"{repo}@{revision}", HfApi()
    with hub_errors(where):
        try:
            commit = api.resolve_revision(
                repo, revision=revision, repo_type=repo_type, local_files_only=True
            ).resolved
        except RevisionResolutionError as error:
            raise InputError(f"{where}: {OFFLINE_MESSAGE}") from error
    if not COMMIT.fullmatch(commit):  # a file that was cut short
        raise InputError(f"{where}: {OFFLINE_MESSAGE}")
    return commit


def cached_listing(repo: str, commit: str, repo_type: str) -> list[str]:
    """Return the paths of a repository's files at `commit`, as listed when one was fetched, or none.

    Raises:
        InputError: a path leads out of the repository.
    """
    try:
        entries = get_cached_repo_tree(repo, revision=commit, repo_type=repo_type)
    except CachedRepoTreeNotFoundError:
        return []
    return list(inside(f"{repo}@{commit}", entries))


def list_repo_files(repo: str, commit: str, repo_type: str) -> dict[str, RepoFile]:
    """Return the files of a repository at `commit`, by path, with sizes and hashes.

    Raises:
        InputError: the hub cannot be reached, or has no such repository or commit; or a path leads out of it.
    """
    where = f"{repo}@{commit}"
    with hub_errors(where):  # the client itself asks up to six times
        entries = list(HfApi().list_repo_tree(repo, revision=commit, repo_type=repo_type, recursive=True))
    return inside(where, [entry for entry in entries if isinstance(entry, RepoFile)])


class Ref(NamedTuple):
    """A branch or a pull request of a repository."""

    name: str  # as a revision: a branch's name, or refs/pr/9
    author: str  # who opened the pull request; "" of a branch


def refs_with(repo: str, patterns: Sequence[str]) -> list[Ref]:
    """Return the branches and the pull requests of a model's repository that have a file of `patterns`.

    The newest pull requests first, MAX_REFS at most.

    Raises:
        InputError: the hub does not list them.
    """
    api, result = HfApi(), []
    with hub_errors(f"{repo}: its branches and pull requests"):
        refs = api.list_repo_refs(repo, include_pull_requests=True)
        numbers = {ref.ref: int(ref.ref.rpartition("/")[2]) for ref in refs.pull_requests or []}
        requests = sorted(refs.pull_requests or [], key=lambda ref: -numbers[ref.ref])
        for ref in [*refs.branches, *requests][:MAX_REFS]:
            listed = list_repo_files(repo, ref.target_commit, "model")
            if any(fnmatch(path, pattern) for path in listed for pattern in patterns):
                number = numbers.get(ref.ref)
                author = opener_of(repo, number) if number is not None else ""
                result.append(Ref(ref.name if number is None else ref.ref, author))
    return result


def opener_of(repo: str, number: int) -> str:
    """Return who opened a pull request of a model's repository."""
    with suppress(OSError, httpx2.HTTPError, ValueError, LookupError):
        return str(HfApi().get_discussion_details(repo, number).author)
    return "somebody whom the hub does not name"


def inside(where: str, entries: Iterable[RepoFile]) -> dict[str, RepoFile]:
    """Return the files of a listing by path.

    Raises:
        InputError: a path leads out of the repository.
    """
    listed = {entry.path: entry for entry in entries}
    for path in listed:
        if {"", ".", ".."} & set(re.split(r"[/\\]", path)) or re.match("[A-Za-z]:", path):
            raise InputError(f"{where}: lists {path!r}, which leads out of a folder; take another repository")
    return listed


def fetch_files(
    repo: str, commit: str, repo_type: str, patterns: Sequence[str], listed: dict[str, RepoFile]
) -> dict[str, Path]:
    """Return where the files that match `patterns` lie in huggingface_hub's cache, verified, by path.

    What is there already is not fetched again, and a cut connection resumes where it stopped. `listed`
    is the listing that each file is held against: huggingface_hub checks sizes alone. Without one, as
    under HF_HUB_OFFLINE, a file is held against the name that the cache gives it, which is its hash.

    Raises:
        InputError: the hub cannot be reached, or sends another content than it lists; or, without a
            listing, a file of the cache is damaged.
    """
    where = f"{repo}@{commit}"
    if not sys.stderr.isatty():
        disable_progress_bars()
    wanted = {path: entry for path, entry in listed.items() if any(fnmatch(path, p) for p in patterns)}
    for path, entry in wanted.items():
        most = MAX_TOKENIZER if path == "tokenizer.json" else MAX_BYTES
        if path.endswith((".json", ".jinja", ".txt", ".model", ".spm")) and entry.size > most:
            raise InputError(
                f"{where}: {path}: expected at most {most:,} bytes, got {entry.size:,}; take another "
                "repository"
            )
    if wanted:
        size = sum(entry.size for entry in wanted.values())
        log.info("%s: %d files, %.1f MB, but for those in HF_HOME", where, len(wanted), size / 1e6)
    for _ in range(MAX_TRIES):
        folder = with_retries(where, lambda: snapshot(repo, commit, repo_type, patterns))
        files = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        files = {path: file for path, file in files.items() if any(fnmatch(path, p) for p in patterns)}
        if not listed:
            if damaged := [path for path, file in files.items() if not is_as_named(file.resolve())]:
                raise InputError(
                    f"{where}: {damaged[0]}: damaged in HF_HOME ({files[damaged[0]].resolve()}); unset "
                    "HF_HUB_OFFLINE, and it is fetched again"
                )
            return files
        wrong = [path for path, entry in wanted.items() if not is_listed(files[path], entry)]
        if not wrong:
            return files
        log.warning("%s: %s is not what the hub lists; fetching it again", where, wrong[0])
        for path in wrong:
            remove(files[path].resolve())
            remove(files[path])
    raise InputError(
        f"{where}: {wrong[0]}: {MAX_TRIES} times another content than the hub lists "
        f"({expected_hash(wanted[wrong[0]])}); try again later, or from another HF_ENDPOINT"
    )


def fetch_header(repo: str, commit: str, path: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the dtype and the shape of each tensor in a model's safetensors file, without its values.

    Raises:
        InputError: the hub cannot be reached, or the file begins like no safetensors file.
    """
    where = f"{repo}@{commit}"

    def ask() -> SafetensorsFileMetadata:
        return HfApi().parse_safetensors_file_metadata(repo, path, revision=commit)

    try:
        tensors = with_retries(where, ask).tensors
        return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    except NO_HEADER as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where}: {path}: not readable as safetensors: {first_line(error)}; take another repository"
        ) from error


def cached_file(repo: str, commit: str, repo_type: str, path: str) -> Path | None:
    """Return where a file lies in huggingface_hub's cache, or None."""
    result = try_to_load_from_cache(repo, path, revision=commit, repo_type=repo_type)
    return Path(result) if isinstance(result, str) else None  # there may be a mark that there is no such file


def snapshot(repo: str, commit: str, repo_type: str, patterns: Sequence[str]) -> Path:
    """Return the folder of huggingface_hub's cache that holds the files that match `patterns`."""
    try:
        return Path(
            snapshot_download(repo, repo_type=repo_type, revision=commit, allow_patterns=list(patterns))
        )
    except (RuntimeError, ValueError) as error:
        raise XetError(f"Xet: {first_line(error)}") from error


def expected_hash(entry: RepoFile) -> str:
    """Return what the hub says of a file's content: the sha256 of a large one, the git blob id of another."""
    return entry.lfs.sha256 if entry.lfs else entry.blob_id


def is_listed(file: Path, entry: RepoFile) -> bool:
    """Return whether `file` has the size and the hash that the hub lists."""
    if file.stat().st_size != entry.size:
        return False
    return sha256_of(file) == entry.lfs.sha256 if entry.lfs else blob_id(file) == entry.blob_id


def is_as_named(blob: Path) -> bool:
    """Return whether a file of the cache has the hash that it is named by; True where its name is none.

    A large file is named by its sha256, another by its git blob id; where there are no links, as on Windows,
    each has its own name.
    """
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        return sha256_of(blob) == blob.name
    return blob_id(blob) == blob.name if re.fullmatch("[0-9a-f]{40}", blob.name) else True


def blob_id(file: Path) -> str:
    """Return what git calls the content of `file`."""
    content = file.read_bytes()
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
