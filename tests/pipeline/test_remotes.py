"""Remotes for real, set as the README says: a folder, S3 over HTTP, SSH; connections that are cut on the way.

Without dvc-s3, dvc-ssh and the S3 endpoint of `make servers`, or without an sshd, theirs are skipped.
"""

import getpass
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from importlib.util import find_spec
from pathlib import Path

import pytest
from dvc.cli import main as dvc

from tests.helpers.clone import ran, repro, run
from tests.helpers.paths import ROOT
from tests.helpers.servers import MOTO, SSHD, Relay, relay, s3_request, s3_server, ssh_server

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "anyone",
    "AWS_SECRET_ACCESS_KEY": "anything",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",  # a cut connection is an error at once, not after a minute of new attempts
}
OBJECT = re.compile(r"files/md5/(\w\w)/(\w{30})(\.dir)?")  # its path is the md5 of what it holds


@dataclass
class Remote:
    """A place to push to: what `dvc remote` is told of it, and how to look into it past DVC."""

    url: str
    objects: Callable[[], dict[str, bytes]]
    replace: Callable[[str, bytes], None]
    options: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    relay: Relay | None = None

    def use(self, folder: Path) -> None:
        """Make this the default remote of the repository in `folder`."""
        run(folder, "dvc", "remote", "add", "--local", "--force", "-d", "team", self.url)
        for option, value in {"verify": "true", **self.options}.items():
            run(folder, "dvc", "remote", "modify", "--local", "team", option, value)

    def dvc(self, folder: Path, *arguments: str, fails: bool = False) -> str:
        return run(folder, "dvc", *arguments, fails=fails, **self.variables)

    def cloned(self, clone: Path, folder: Path) -> Path:
        """Return a fresh clone at `folder`, its cache empty, that has this remote."""
        run(folder.parent, "git", "clone", "--quiet", str(clone), str(folder))
        self.use(folder)
        return folder


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """Where an S3 endpoint listens that has the bucket `resumen`."""
    if MOTO is None or find_spec("dvc_s3") is None:
        pytest.skip("needs dvc-s3 and an S3 endpoint: `make servers`")
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        s3_request(address, "PUT", "/resumen")
        yield address


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """The folder of an sshd, with the key that it lets in, and where it listens."""
    if find_spec("dvc_ssh") is None:
        pytest.skip("needs dvc-ssh: `make servers`")
    if SSHD is None:
        pytest.skip("needs an sshd")
    folder = tmp_path_factory.mktemp("sshd")
    with ssh_server(folder) as address:
        yield folder, address


@pytest.fixture
def remote(request, tmp_path):
    """An empty remote of the kind that the test is for; all but a folder behind a relay."""
    storage = tmp_path / "storage"
    if request.param == "folder":
        yield Remote(str(storage), lambda: files_in(storage), storage_writer(storage))
    elif request.param == "ssh":
        folder, address = request.getfixturevalue("sshd")
        with relay(address) as through:
            host, port = through.server_address
            yield Remote(
                f"ssh://{getpass.getuser()}@{host}:{port}{storage}",
                lambda: files_in(storage),
                storage_writer(storage),
                options={"keyfile": str(folder / "key")},
                relay=through,
            )
    else:
        address, prefix = request.getfixturevalue("s3"), tmp_path.name

        def objects() -> dict[str, bytes]:
            listed = s3_request(address, "GET", f"/resumen?list-type=2&prefix={prefix}/").decode()
            names = re.findall(f"<Key>{re.escape(prefix)}/(.+?)</Key>", listed)
            return {name: s3_request(address, "GET", f"/resumen/{prefix}/{name}") for name in names}

        with relay(address) as through:
            yield Remote(
                f"s3://resumen/{prefix}",
                objects,
                lambda name, content: s3_request(address, "PUT", f"/resumen/{prefix}/{name}", content),
                options={"endpointurl": "http://{}:{}".format(*through.server_address)},
                variables=CREDENTIALS,
                relay=through,
            )


def files_in(folder: Path, *parts: str) -> dict[str, bytes]:
    """Return what lies in `folder`, or in `parts` of it, by path."""
    result = [path for part in parts or (".",) for path in (folder / part).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in result}


def storage_writer(folder: Path) -> Callable[[str, bytes], None]:
    def replace(name: str, content: bytes) -> None:
        (folder / name).unlink()  # DVC makes it read-only
        (folder / name).write_bytes(content)

    return replace


def outputs(folder: Path) -> dict[str, bytes]:
    return files_in(folder, "data", "models", "metrics", "reports")


def objects_in_cache(folder: Path) -> dict[str, bytes]:
    """Return the objects of a repository's cache; some are of the run cache alone, and are not pushed."""
    return whole_objects(files_in(folder / ".dvc/cache", "files"))


def whole_objects(result: dict[str, bytes]) -> dict[str, bytes]:
    """Return what DVC would take for objects, every one of which must hold what its name says."""
    objects = {name: content for name, content in result.items() if OBJECT.fullmatch(name)}
    for name, content in objects.items():
        assert "".join(OBJECT.fullmatch(name).group(1, 2)) == md5(content, usedforsecurity=False).hexdigest()
    return objects


@pytest.mark.parametrize("remote", ["folder", "s3", "ssh"], indirect=True)
def test_what_is_pushed_comes_back_whole_after_a_cut_too_but_no_wrong_byte_does(clone, tmp_path, remote):
    remote.use(clone)
    cached = objects_in_cache(clone)
    half = sum(map(len, cached.values())) // 2

    def completed(folder: Path, command: str, objects: Callable[[], dict[str, bytes]]) -> dict[str, bytes]:
        """Run a command that is cut in the middle, and again; return the objects that there are then."""
        if remote.relay is None:
            remote.dvc(folder, command)
            return whole_objects(objects())
        remote.relay.left = half
        remote.dvc(folder, command, fails=True)
        assert remote.relay.left == 0
        at_the_cut = whole_objects(objects())
        remote.relay.left = float("inf")
        remote.dvc(folder, command)
        result = whole_objects(objects())
        assert at_the_cut.items() < result.items()
        return result

    pushed = completed(clone, "push", remote.objects)
    assert pushed.items() < cached.items()
    other = remote.cloned(clone, tmp_path / "other")
    assert completed(other, "pull", lambda: files_in(other / ".dvc/cache", "files")) == pushed
    assert outputs(other) == outputs(clone)
    assert "up to date" in run(other, "dvc", "status")
    assert "in sync" in remote.dvc(other, "status", "--cloud")
    assert repro(other) == set()
    assert run(other, "git", "status", "--porcelain") == ""

    model = (clone / "models/finetuned/flan-small/model.safetensors").read_bytes()
    name = next(name for name, content in pushed.items() if content == model)
    remote.replace(name, model[:-1] + bytes([model[-1] ^ 1]))
    third = remote.cloned(clone, tmp_path / "third")
    remote.dvc(third, "pull", fails=True)
    assert not (third / "models/finetuned/flan-small/model.safetensors").exists()
    assert name not in objects_in_cache(third)


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_an_experiment_of_a_lent_machine_is_brought_home(clone, tmp_path, remote):
    remote.use(clone)
    remote.dvc(clone, "push")
    lent, home = (remote.cloned(clone, tmp_path / name) for name in ("lent", "home"))
    message = remote.dvc(lent, "exp", "run", "--pull", "-n", "otra", "-S", "evaluate.stemming=snowball")
    assert ran(message) == {"evaluate", "report"}
    remote.dvc(lent, "exp", "push", "origin", "otra")
    remote.dvc(home, "exp", "pull", "origin", "otra")
    scored = "metrics/systems/lead-3.json"
    changed = json.loads(run(home, "dvc", "metrics", "diff", "--json", "main", "otra"))[scored]
    assert changed["rougeL"]["new"] == json.loads((lent / scored).read_text(encoding="utf-8"))["rougeL"]
    run(home, "dvc", "exp", "apply", "otra")
    assert outputs(home) == outputs(lent)


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_the_way_back_computes_nothing_in_a_clone_that_has_pulled_and_no_run_cache(clone, tmp_path, remote):
    remote.use(clone)
    remote.dvc(clone, "push")
    home = remote.cloned(clone, tmp_path / "home")
    remote.dvc(home, "pull")
    committed = outputs(home)
    assert not list((home / ".dvc/cache/runs").glob("*"))
    message = remote.dvc(home, "exp", "run", "-S", "extract.seed=6", "-S", "evaluate.confidence=0.9")
    assert ran(message) >= {"extract", "evaluate"}
    page = (ROOT / "docs/how-to/experiments.md").read_text(encoding="utf-8")
    (line,) = set(re.findall(r"^touch params\.yaml; (git .*)$", page.replace("\\\n ", ""), re.MULTILINE))
    back = run(home, "bash", "-c", f"touch params.yaml; {line}")
    assert ran(back) == set()
    assert outputs(home) == committed
    assert run(home, "git", "status", "--porcelain") == ""


def test_dvc_takes_every_recipe_of_the_page_and_git_no_secret(tmp_path, monkeypatch):
    text = (ROOT / "docs/how-to/remotes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|[^|]+\| `(\S+/resumen)` \|([^|]*)\|([^|]*)\|$", text, re.MULTILINE)
    folder = tmp_path / "clone"
    run(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
    monkeypatch.chdir(folder)
    before = (folder / ".dvc/config").read_text(encoding="utf-8")
    for url, _, options in rows:
        name = f"at-{url.partition(':')[0].strip('/').replace('/', '-')}"
        assert dvc(["remote", "add", name, url]) == 0
        assert dvc(["remote", "modify", name, "verify", "true"]) == 0
        for option in re.findall("`(.+?)`", options):
            assert dvc(["remote", "modify", "--local", name, *option.split()]) == 0
        before += f"['remote \"{name}\"']\n    url = {url}\n    verify = true\n"
    assert (folder / ".dvc/config").read_text(encoding="utf-8") == before
    assert [url.partition("://")[0] for url, *_ in rows][1:] == ["s3", "ssh", "https", "gs", "azure"]
    pins = (ROOT / "requirements-remotes.txt").read_text(encoding="utf-8")
    packages = {package for _, packages, _ in rows for package in re.findall("`(.+?)`", packages)}
    assert packages == set(re.findall(r"^(\S+)==", pins, re.MULTILINE))
