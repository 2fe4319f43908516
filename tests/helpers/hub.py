"""A hub on loopback that speaks what huggingface_hub and datasets ask of the real one.

    with Hub() as hub:
        hub.add("google/flan-t5-small", COMMIT, {"config.json": b"{}", "model.safetensors": path})
        # in a process of its own, with HF_ENDPOINT=hub.url and an empty HF_HOME

Laid out after what huggingface_hub 2.4.0 and datasets 5.2.0 ask (the record: tests/pipeline/test_hub.py):

- `GET /api/models/R[/revision/V]`, `/api/datasets/R[/revision/V]`: the commit, the files, the card's data
- `GET /api/…/tree/C[/P]`: names, sizes, git blob ids and, for large files, sha256
- `POST /api/…/paths-info/C`: the same for named paths
- `HEAD, GET /R/resolve/C/F` and `/datasets/R/resolve/C/F`: X-Repo-Commit, ETag, size; small files are
  redirected to `/api/resolve-cache/…` on the same host, large ones to another host, where the CDN would be
- `Range` on every file

- `GET /api/models/R/refs`, `/api/models/R/discussions/N`: branches and pull requests, who opened one
- `GET /api/…/auth-check`: whether the files may be read
- `GET /api/…/xet-read-token/C`, only where the listing names Xet hashes (`Repo.xet`); the clients then turn
  to Xet's servers, which this hub is none of. Without a hash they take the plain HTTP road.

To be pushed to, by a client with the token ALLOWED and HF_HUB_DISABLE_XET=1 (else it asks for a Xet token):

- `POST /api/repos/create`, `/api/validate-yaml`, `/api/models/R/preupload/main`: how each file is to come
- `POST /R.git/info/lfs/objects/batch`, then `PUT /lfs/SHA256` on the other host: the large files
- `POST /api/models/R/commit/main`: a line each, small files in it, large ones by their sha256

What nobody planned for is answered 501 and kept in `unhandled`, which fails the test.
"""

import base64
import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.helpers.paths import ROOT

LARGE = re.compile(r".*\.(safetensors|parquet|model|bin|h5|msgpack)")  # what the hub keeps in LFS
BLOCK = 1 << 20  # bytes written at a time


@dataclass(frozen=True)
class File:
    """A file of a repository, in memory or on disk."""

    content: bytes | Path
    is_large: bool

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop`, a block at a time."""
        if isinstance(self.content, bytes):
            yield self.content[start:stop]
            return
        with self.content.open("rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(BLOCK, stop - start))):
                start += len(block)
                yield block

    def hashes(self) -> tuple[str, str]:
        """Return the git blob id and the sha256."""
        blob, plain = sha1(b"blob %d\0" % self.size, usedforsecurity=False), sha256()
        for block in self.read(0, self.size):
            blob.update(block)
            plain.update(block)
        return blob.hexdigest(), plain.hexdigest()


@dataclass
class Repo:
    """A model's or a dataset's repository: files at commits, branches that name commits."""

    commits: dict[str, dict[str, File]]
    branches: dict[str, str]
    cards: dict[str, dict]  # by commit
    gated: bool = False  # its files want a token of ALLOWED
    private: bool = False  # without a token of ALLOWED there is no such repository
    xet: bool = False  # its large files name a Xet hash, so that clients with hf_xet leave plain HTTP
    listed: dict[str, list[dict]] = field(default_factory=dict)  # tree entries, by commit

    def commit_of(self, revision: str) -> str | None:
        revision = self.branches.get(revision, revision)
        return revision if revision in self.commits else None

    def entries(self, commit: str) -> list[dict]:
        """Return the tree of `commit`, folders too, as the hub lists it."""
        if commit not in self.listed:
            entries, folders = [], set()
            for path, file in sorted(self.commits[commit].items()):
                blob, plain = file.hashes()
                folders |= {str(parent) for parent in Path(path).parents if str(parent) != "."}
                entry = {"type": "file", "oid": blob, "size": file.size, "path": path}
                if file.is_large:
                    if self.xet:
                        entry["xetHash"] = plain
                    entry["lfs"] = {"oid": plain, "size": file.size, "pointerSize": 134}
                entries.append(entry)
            folded = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders]
            self.listed[commit] = sorted([*folded, *entries], key=lambda entry: entry["path"])
        return self.listed[commit]


@dataclass
class Fault:
    """What goes wrong with the requests whose `METHOD path` matches, as often as `times` says."""

    pattern: str
    times: int
    after: int = 0  # such requests that go well before
    status: int = 0  # answered instead, with `headers`
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int = -1  # bytes of the body; then the connection is closed
    hangs: bool = False  # instead of an answer, or of being cut: nothing, until the client leaves
    wrong_byte: int = -1  # place in the file whose byte is another


ALLOWED = "hf_allowed"  # the token that opens gated and private repositories


class Hub:
    """The server and what it has: repositories, faults to come, requests that came."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []  # "METHOD path", in the order in which they came
        self.unhandled: list[str] = []
        self.objects: dict[str, bytes] = {}  # large files that were pushed, by sha256
        self.bytes_served = 0  # of files
        self.lock = threading.Lock()

    def add(
        self,
        name: str,
        commit: str,
        files: dict[str, bytes | Path],
        *,
        kind: str = "models",
        branch: str = "main",
        card: dict | None = None,
        gated: bool = False,
        private: bool = False,
    ) -> None:
        """Add a commit to the repository `name` (owner/name), and let `branch` name it."""
        repo = self.repos.setdefault((kind, name), Repo({}, {}, {}))
        repo.cards[commit] = card or {}
        repo.commits[commit] = {
            path: File(content, LARGE.fullmatch(path) is not None) for path, content in files.items()
        }
        repo.branches[branch] = commit
        repo.gated, repo.private = gated, private

    def fail(self, pattern: str, *, times: int = 1, **how: object) -> None:
        """Let the next `times` requests fail whose "METHOD path" matches `pattern`; see Fault."""
        self.faults.append(Fault(pattern, times, **how))

    def fault_for(self, request: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and re.search(fault.pattern, request):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def __enter__(self) -> "Hub":
        handler = type("Handler", (HubHandler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.cdn = f"http://localhost:{self.port}"  # another host, which must not be sent the token
        serve = partial(self.server.serve_forever, poll_interval=0.02)  # seconds until a shutdown is seen
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()


API = re.compile(r"/api/(?P<kind>models|datasets)/(?P<name>[^/]+/[^/]+)(?P<rest>/.*)?")
RESOLVE = re.compile(r"(?P<kind>/datasets)?/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
BLOB = re.compile(
    r"/(?:api/resolve-cache|cdn)/(?P<kind>\w+)/(?P<name>[^/]+/[^/]+)/(?P<commit>\w+)/(?P<path>.+)"
)
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class HubHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests; `hub` is set by Hub."""

    disable_nagle_algorithm = True  # or the body waits 40 ms for the headers to be acknowledged

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing: `requests` has it."""

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        request = f"{self.command} {unquote(self.path)}"
        with self.hub.lock:
            self.hub.requests.append(request)
        fault = self.hub.fault_for(request)
        if fault and fault.hangs and fault.cut_after < 0:
            self.hang()
            return
        if fault and fault.status:
            self.reply(fault.status, b"", fault.headers)
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a client that was killed
            self.route(urlsplit(self.path), fault)

    def route(self, url: object, fault: Fault | None) -> None:
        """Find the handler of a path, and check what the repository asks of its readers."""
        if self.write(url.path):
            return
        for pattern, handle in ((API, self.api), (BLOB, self.blob), (RESOLVE, self.resolve)):
            if result := pattern.fullmatch(url.path):
                parts = {key: unquote(value or "") for key, value in result.groupdict().items()}
                kind = parts.pop("kind").strip("/") or "models"
                repo = self.hub.repos.get((kind, parts["name"]))
                may = self.headers.get("Authorization") == f"Bearer {ALLOWED}" or pattern is BLOB
                if repo is None or (repo.private and not may):
                    has_token = "Authorization" in self.headers
                    status, message = (
                        (404, "Repository not found") if has_token else (401, "Invalid username")
                    )
                    self.fail(status, "RepoNotFound", message)
                elif repo.gated and not may and pattern is RESOLVE:
                    status = 403 if "Authorization" in self.headers else 401
                    self.fail(status, "GatedRepo", f"Access to {parts['name']} is restricted")
                else:
                    handle(repo, kind, parts, parse_qs(url.query), fault)
                return
        self.not_planned()

    def not_planned(self) -> None:
        self.hub.unhandled.append(f"{self.command} {self.path}")
        self.reply(501, b"")

    # ---- what the hub knows of a repository

    def api(self, repo: Repo, kind: str, parts: dict, query: dict, fault: Fault | None) -> None:
        what, _, rest = parts["rest"].strip("/").partition("/")
        if what in ("", "revision"):
            commit = repo.commit_of(rest or "main")
            if commit is None:
                self.fail(404, "RevisionNotFound", f"Invalid rev id: {rest}")
                return
            info = {
                "id": parts["name"],
                "sha": commit,
                "private": repo.private,
                "gated": "manual" if repo.gated else False,
                "cardData": repo.cards[commit],
                "tags": [],
                "siblings": [{"rfilename": path} for path in sorted(repo.commits[commit])],
            }
            self.reply_json(info)
        elif what == "auth-check":
            may = self.headers.get("Authorization") == f"Bearer {ALLOWED}"
            if repo.gated and not may:
                self.fail(403, "GatedRepo", f"Access to {parts['name']} is restricted")
            else:
                self.reply(200, b"")
        elif what == "refs":
            self.refs(repo)
        elif what == "discussions":
            self.reply_json(self.discussion(parts["name"], int(rest)))
        elif what == "xet-read-token":
            self.reply(200, b"")  # without the headers that would name Xet's server
        elif what in ("tree", "paths-info"):
            revision, _, path = rest.partition("/")
            while repo.commit_of(revision) is None and path:  # refs/convert/parquet
                head, _, path = path.partition("/")
                revision = f"{revision}/{head}"
            if (commit := repo.commit_of(revision)) is None:
                self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            elif what == "tree":
                self.tree(repo, commit, path, recursive=query.get("recursive") == ["true"])
            else:
                self.paths_info(repo, commit)
        else:
            self.not_planned()

    def refs(self, repo: Repo) -> None:
        """Answer with the branches, and with the pull requests: branches that are called refs/pr/N."""
        named = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        for name, commit in repo.branches.items():
            is_request = name.startswith("refs/pr/")
            ref = name if is_request else f"refs/heads/{name}"
            entry = {"name": name.rpartition("/")[2], "ref": ref, "targetCommit": commit}
            named["pullRequests" if is_request else "branches"].append(entry)
        self.reply_json(named)

    def discussion(self, name: str, number: int) -> dict:
        return {
            "title": "Adding `safetensors` variant of this model",
            "num": number,
            "author": {"name": f"opener-of-{number}"},
            "createdAt": "2023-03-16T09:10:52.000Z",
            "status": "open",
            "repo": {"name": name, "type": "model"},
            "isPullRequest": True,
            "events": [],
            "filesWithConflicts": [],
            "changes": {"base": "refs/heads/main"},
            "diff": "",
        }

    def tree(self, repo: Repo, commit: str, folder: str, *, recursive: bool) -> None:
        prefix = f"{folder}/" if folder else ""
        below = [entry for entry in repo.entries(commit) if entry["path"].startswith(prefix)]
        if prefix and not below:
            self.fail(404, "EntryNotFound", f"{folder} does not exist")
        else:
            direct = [entry for entry in below if "/" not in entry["path"][len(prefix) :]]
            self.reply_json(below if recursive else direct)

    def paths_info(self, repo: Repo, commit: str) -> None:
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode())["paths"]
        self.reply_json([entry for entry in repo.entries(commit) if entry["path"] in paths])

    # ---- what is pushed

    def write(self, path: str) -> bool:
        """Answer a request of a push, and return whether it was one."""
        for pattern, handle in (
            (r"POST /api/repos/create", self.create),
            (r"POST /api/validate-yaml", self.validate),
            (r"POST /api/models/([^/]+/[^/]+)/preupload/main", self.preupload),
            (r"POST /([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.batch),
            (r"PUT /lfs/(\w+)", self.take),
            (r"POST /api/models/([^/]+/[^/]+)/commit/main", self.commit),
        ):
            if result := re.fullmatch(pattern, f"{self.command} {path}"):
                if handle in (self.take, self.validate) or self.may_write():
                    handle(*result.groups())
                else:
                    self.fail(401, "", "Invalid username or password.")
                return True
        return False

    def may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {ALLOWED}"

    def create(self) -> None:
        wanted = json.loads(self.body)
        name = f"{wanted['organization']}/{wanted['name']}"
        is_there = ("models", name) in self.hub.repos
        if not is_there:
            first = sha1(name.encode(), usedforsecurity=False).hexdigest()
            private = wanted.get("visibility") == "private"
            self.hub.add(name, first, {".gitattributes": b""}, private=private)
        self.reply_json({"url": f"{self.hub.url}/{name}"}, 409 if is_there else 200)

    def validate(self) -> None:
        self.reply_json({"errors": [], "warnings": []})

    def preupload(self, name: str) -> None:
        repo = self.hub.repos["models", name]
        known = {entry["path"]: entry for entry in repo.entries(repo.branches["main"])}
        files = []
        for path in (file["path"] for file in json.loads(self.body)["files"]):
            oid = known[path].get("lfs", known[path])["oid"] if path in known else None
            mode = "lfs" if LARGE.fullmatch(path) else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.reply_json({"files": files})

    def batch(self, name: str) -> None:
        objects = json.loads(self.body)["objects"]
        for entry in objects:
            if entry["oid"] not in self.hub.objects:
                entry["actions"] = {"upload": {"href": f"{self.hub.cdn}/lfs/{entry['oid']}"}}
        self.reply_json({"transfer": "basic", "objects": objects})

    def take(self, oid: str) -> None:
        if "Authorization" in self.headers:
            self.not_planned()  # the token went to another host
        elif sha256(self.body).hexdigest() != oid:
            self.fail(400, "", "another content than was announced")
        else:
            self.hub.objects[oid] = self.body
            self.reply(200, b"")

    def commit(self, name: str) -> None:
        repo = self.hub.repos["models", name]
        files = {path: file.content for path, file in repo.commits[repo.branches["main"]].items()}
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        commit = sha1(repo.branches["main"].encode() + self.body, usedforsecurity=False).hexdigest()
        self.hub.add(name, commit, files, private=repo.private)
        self.reply_json({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit})

    # ---- files

    def resolve(self, repo: Repo, kind: str, parts: dict, query: dict, fault: Fault | None) -> None:
        """Answer with where the file lies, and its commit, hash and size."""
        if (commit := repo.commit_of(parts["revision"])) is None:
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {parts['revision']}")
            return
        path = parts["path"]
        if path not in repo.commits[commit]:
            self.fail(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        entry = next(entry for entry in repo.entries(commit) if entry["path"] == path)
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(entry["size"])}
        where = f"{kind}/{parts['name']}/{commit}/{quote(path)}"
        if "lfs" in entry:
            headers["X-Linked-ETag"] = f'"{entry["lfs"]["oid"]}"'
            self.reply(302, b"", {**headers, "Location": f"{self.hub.cdn}/cdn/{where}"})
        else:
            headers |= {"ETag": f'"{entry["oid"]}"', "Location": f"/api/resolve-cache/{where}"}
            self.reply(307, b"", headers)

    def blob(self, repo: Repo, kind: str, parts: dict, query: dict, fault: Fault | None) -> None:
        """Send a file or a range of it."""
        commit, path = parts["commit"], parts["path"]
        if self.path.startswith("/cdn/") and "Authorization" in self.headers:
            self.not_planned()  # the token went to another host
            return
        file = repo.commits[commit][path]
        entry = next(entry for entry in repo.entries(commit) if entry["path"] == path)
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", "X-Repo-Commit": commit}
        start, stop, status = 0, file.size, 200
        if wanted := RANGE.fullmatch(self.headers.get("Range", "")):
            first, last = wanted.groups()
            start = int(first) if first else file.size - int(last)
            stop = min(int(last) + 1, file.size) if first and last else file.size
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
            if start >= file.size:
                self.reply(416, b"", {"Content-Range": f"bytes */{file.size}"})
                return
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(stop - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.send_file(file, start, stop, fault)

    def send_file(self, file: File, start: int, stop: int, fault: Fault | None) -> None:
        index = start
        for block in file.read(start, stop):
            if fault and index <= fault.wrong_byte < index + len(block):
                at = fault.wrong_byte - index
                block = block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]
            if fault and 0 <= fault.cut_after < index - start + len(block):
                sent = block[: max(0, fault.cut_after - (index - start))]
                self.wfile.write(sent)
                self.wfile.flush()
                with self.hub.lock:
                    self.hub.bytes_served += len(sent)
                if fault.hangs:
                    self.hang()
                    return
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.wfile.write(block)
            index += len(block)
            with self.hub.lock:
                self.hub.bytes_served += len(block)

    def hang(self) -> None:
        """Answer nothing for as long as the client waits."""
        with contextlib.suppress(OSError):
            self.rfile.read(1)
        self.close_connection = True

    # ---- replies

    def fail(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        self.reply(status, b"", {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})

    def reply_json(self, value: object, status: int = 200) -> None:
        self.reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def environment_of(project: Path, hub: Hub) -> dict[str, str]:
    """Return what the clients need to take `hub` for the real one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(project / "huggingface"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
