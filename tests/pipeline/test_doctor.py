"""Doctor: every flipped byte is found and named, and comes back from where it is right."""

import shutil
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from resumen.runtime.cli import run as run_main
from resumen.runtime.files import md5_of
from resumen.runtime.provenance import PROVENANCE
from resumen.tools.doctor import main
from tests.helpers.clone import ran, run
from tests.helpers.damage import MINIATURE, MINIATURES, apart, contents, flip
from tests.helpers.paths import ROOT

DVC_YAML = """
stages:
  fetch:
    cmd: python make.py fetch
    params: [seed]
    outs: [data/raw]
    metrics: [{metrics/data.json: {cache: false}}]
  weights:
    cmd: python make.py weights
    params: [seed]
    outs: [models/pretrained/tiny]
  generate:
    cmd: python make.py generate
    deps: [data/raw, models/pretrained/tiny]
    outs: [data/predictions.jsonl]
"""
MAKE = """
import hashlib, json, sys
from pathlib import Path
from resumen.runtime.jsonfiles import write_json
from resumen.schema.rows import FORMATTED, write_table

if sys.argv[1] == "fetch":
    for split in ("train", "test"):
        rows = ({"id": f"{split}-{n}", "prompt": "¿Nevó? " * n, "completion": "Sí."} for n in range(99))
        write_table(Path(f"data/raw/{split}.parquet"), rows, FORMATTED)
    write_json(Path("metrics/data.json"), {"rows": 198})
elif sys.argv[1] == "weights":
    folder = Path("models/pretrained/tiny")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    write_json(folder / "provenance.json", {"sha256": {"model.safetensors": sha256}})
else:
    Path("data/predictions.jsonl").write_text("El niño llegó.\\n" * 50, encoding="utf-8")
"""
FILES = {
    "dvc.yaml": DVC_YAML,
    "make.py": MAKE,
    "params.yaml": "seed: 13\n",
    ".gitignore": "/data\n/models\n/.cache\n",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small repository that has run, committed, and pushed to a folder beside it."""
    folder = tmp_path_factory.mktemp("doctor") / "clone"
    shutil.copytree(ROOT / MINIATURES, folder / MINIATURES)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")
    run(folder, "dvc", "config", "cache.type", "hardlink")
    run(folder, "dvc", "remote", "add", "--default", "storage", "../storage")
    run(folder, "dvc", "repro", PYTHONPATH=str(ROOT))
    run(folder, "dvc", "push")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message=run")
    return folder


@pytest.fixture
def clone(finished, tmp_path, monkeypatch):
    """A copy of it and of its remote, as the working directory; what DVC keeps is hard links."""
    shutil.copytree(finished.parent, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home/clone")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with Repo() as repo:
        repo.checkout(relink=True)
    assert Path("data/raw/train.parquet").stat().st_nlink == 2
    return Path()


@pytest.fixture
def doctor(clone, monkeypatch, capfd):
    """A function that runs the doctor, and returns its exit code and what it printed, in lines."""

    def call(*argv: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["doctor", *argv])
        capfd.readouterr()
        try:
            run_main(main)
        except SystemExit as stopped:
            return stopped.code, capfd.readouterr().out.splitlines()
        return 0, capfd.readouterr().out.splitlines()

    return call


def cached(path: str) -> Path:
    """Return the object of DVC's cache that holds a file or a folder of the workspace."""
    oid = md5_of(Path(path))
    return Path(".dvc/cache/files/md5", oid[:2], oid[2:])


def stored(path: str) -> Path:
    """Return the object of the remote that holds a file or a folder of the workspace."""
    return Path("../storage", *cached(path).parts[2:])


def test_a_healthy_repository_passes(doctor):
    code, lines = doctor("--remote")
    assert code == 0
    assert lines == [lines[-1]]
    assert lines[-1].endswith("files read: no fault")


def test_a_stage_that_is_gone_is_missed_by_nobody(doctor):
    """DVC leaves it in dvc.lock."""
    text = Path("dvc.yaml").read_text(encoding="utf-8")
    Path("dvc.yaml").write_text(text[: text.index("  generate:")], encoding="utf-8")
    Path("data/predictions.jsonl").unlink()
    assert "  generate:" in Path("dvc.lock").read_text(encoding="utf-8")
    assert doctor()[0] == 0


def flip_a_key(path: Path) -> None:
    flip(path, at=path.read_bytes().index(b"relpath"))  # `dvc status` then fails with a KeyError


def put_beside(path: Path) -> None:
    path.with_name("extra.txt").write_text("¿Qué hago aquí?", encoding="utf-8")


TRAIN, MODEL = "data/raw/train.parquet", "models/pretrained/tiny/model.safetensors"
KEPT = [Path(name) for name in ("data", "models", "metrics", MINIATURES, ".dvc/cache/files", "../storage")]

# What is done to which file, how many faults are said, and how one of them is.
FAULTS = {
    "a link": (flip, lambda: Path(TRAIN), 2, f"{TRAIN} (fetch): got md5 "),
    "a link, by its object": (flip, lambda: cached(TRAIN), 2, f" (fetch: {TRAIN}): got md5 "),
    "a copy": (flip, lambda: apart(MODEL), 1, f"{MODEL} (weights): got md5 "),
    "an object with a copy": (
        flip,
        lambda: (apart(MODEL), cached(MODEL))[1],
        1,
        f" (weights: {MODEL}): got ",
    ),
    "a file": (flip, lambda: Path("data/predictions.jsonl"), 2, "data/predictions.jsonl (generate): got md5"),
    "a list": (flip, lambda: cached("data/raw"), 1, " (fetch: data/raw): got md5 "),
    "a list's key": (flip_a_key, lambda: cached("data/raw"), 1, " (fetch: data/raw): got md5 "),
    "a list and a file": (
        flip,
        lambda: (flip(cached("data/raw")), apart(TRAIN))[1],
        2,
        f"{TRAIN} (fetch): got md5 ",
    ),
    "a metric": (flip, lambda: Path("metrics/data.json"), 1, "metrics/data.json (fetch): got md5 "),
    "a miniature": (flip, lambda: Path(MINIATURE), 1, f"{MINIATURE} ({MINIATURES}/README.md): got sha256 "),
    "one too many": (put_beside, lambda: Path(TRAIN), 1, "data/raw/extra.txt (fetch): is no file of this fo"),
    "one too few": (Path.unlink, lambda: Path(TRAIN), 1, f"{TRAIN} (fetch): not there, expected "),
    "the remote": (flip, lambda: stored(TRAIN), 1, f" (fetch: {TRAIN}): got md5 "),
    "a list of the remote": (flip, lambda: stored("data/raw"), 1, " (fetch: data/raw): got md5 "),
    "lost on the remote": (
        Path.unlink,
        lambda: stored(MODEL),
        1,
        f" (weights: {MODEL}): not there, expect",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_named_and_repaired(doctor, name):
    harm, path, count, message = FAULTS[name]
    before = contents(*KEPT)
    harm(path())
    code, lines = doctor("--remote", "--fix")
    first, last = [line for line in lines if " files read: " in line]
    assert first.endswith(f" files read: {count} fault{'s' * (count > 1)}")
    assert sum(message in line for line in lines) == 1
    assert "--fix`" in lines[0]
    assert (code, last.partition(": ")[2]) == (0, "no fault")
    assert contents(*KEPT) == before
    with Repo() as repo:
        assert repo.status() == {}  # nor does DVC remember what was wrong


def without_remote() -> None:
    shutil.rmtree("../storage")


def test_dvc_itself_does_not_see_a_flipped_byte(doctor):
    flip(Path(TRAIN))
    with Repo() as repo:
        assert repo.status() == {}
    assert doctor()[0] == 1


def test_what_no_place_has_right_its_stage_makes_again(doctor):
    before = contents(Path("data"), Path(".dvc/cache/files"))
    without_remote()
    flip(cached("data/raw"))
    flip(Path(TRAIN))
    code, lines = doctor("--fix")
    assert (code, lines[-1].partition(": ")[2]) == (0, "no fault")
    assert ran("\n".join(lines)) == {"fetch"}
    assert contents(Path("data"), Path(".dvc/cache/files")) == before


def test_a_wrong_object_that_nothing_needs_and_none_has_is_removed_and_said(doctor, caplog):
    old = Path(".dvc/cache/files/md5/ab/cdefabcdefabcdefabcdefabcdefab")
    old.parent.mkdir(parents=True)
    old.write_text("de otro commit", encoding="utf-8")
    code, lines = doctor()
    assert code == 1
    assert "(of no stage in this dvc.lock): got md5 " in lines[0]
    with caplog.at_level("INFO", "doctor"):
        assert doctor("--fix")[0] == 0
    assert "(of no stage in this dvc.lock): removed" in caplog.text
    assert not old.exists()


def test_several_wrong_shipped_files_all_come_back(doctor):
    """Also those after one that git has not right either, which goes back where it was."""
    names = ("t5-small", "t5-base", "flan-small", "flan-base")  # in the order of their README
    paths = [Path(MINIATURES, "weights", f"{name}.safetensors") for name in names]
    right = [path.read_bytes() for path in paths]
    paths[0].write_bytes(b"another model")
    run(Path(), "git", "commit", "--quiet", "--message=another", str(paths[0]))
    for path in paths[1:]:
        flip(path)
    code, _ = doctor("--fix")
    assert code == 1
    assert paths[0].read_bytes() == b"another model"
    assert [path.read_bytes() for path in paths[1:]] == right[1:]


def test_a_metric_that_nothing_has_right_goes_back_where_it_was(doctor):
    path = Path("metrics/data.json")
    cached(str(path)).unlink(missing_ok=True)  # from which the run cache would bring it
    path.write_text("{}", encoding="utf-8")
    run(Path(), "git", "commit", "--quiet", "--message=another", str(path))
    path.write_text("[]", encoding="utf-8")
    Path("make.py").write_text("raise SystemExit('no hay red')", encoding="utf-8")
    assert doctor("--fix")[0] == 1
    assert path.read_text(encoding="utf-8") == "[]"


def test_an_edit_is_set_aside_not_lost(doctor):
    apart("data/predictions.jsonl").write_text("Lo cambié yo.", encoding="utf-8")
    assert doctor("--fix")[0] == 0
    (aside,) = Path(".cache/doctor").glob("*/data/predictions.jsonl")
    assert aside.read_text(encoding="utf-8") == "Lo cambié yo."


def test_what_is_not_there_yet_is_no_fault(doctor):
    shutil.rmtree("data/raw")
    Path("params.yaml").write_text("seed: 14\n", encoding="utf-8")
    cached(MODEL).unlink()
    code, lines = doctor()
    assert code == 0
    assert lines[:-1] == [
        "fetch, weights, generate: not in the workspace, not in DVC's cache or not as dvc.lock has it; "
        "`dvc status` says which"
    ]


def test_a_parquet_that_was_damaged_before_dvc_hashed_it_is_found_by_its_pages(doctor):
    apart(TRAIN)
    flip(Path(TRAIN), at=40)
    run(Path(), "dvc", "commit", "--force")
    code, lines = doctor()
    assert code == 1
    assert lines[0].startswith(f"{TRAIN} (fetch): not readable as Parquet: ")
    assert doctor("--fix")[0] == 0


def test_what_is_damaged_and_in_no_cache_is_not_to_be_put_there(doctor):
    path = cached(TRAIN)
    flip(apart(TRAIN))
    path.unlink()
    code, lines = doctor()
    assert code == 1
    assert any(line.startswith(f"{TRAIN} (fetch): got md5 ") for line in lines)
    assert not any("`dvc commit`" in line for line in lines)


def test_weights_that_were_damaged_before_dvc_hashed_them_are_found_by_their_provenance(doctor):
    flip(apart(MODEL))
    run(Path(), "dvc", "commit", "--force")
    code, lines = doctor()
    assert code == 1
    assert lines[0].startswith(
        f"{Path(MODEL).with_name(PROVENANCE)} (weights): {MODEL}: damaged: its sha256 "
    )
    assert doctor("--fix")[0] == 0


def test_a_right_file_that_the_cache_lacks_outlives_a_wrong_one_beside_it(doctor):
    """Of a folder that it cannot complete `dvc checkout` removes all files."""
    right = Path("data/raw/test.parquet")
    path, content = cached(str(right)), right.read_bytes()
    path.unlink()
    flip(Path(TRAIN))
    without_remote()
    Path("make.py").write_text("raise SystemExit('no hay red')", encoding="utf-8")
    doctor("--fix")
    assert path.read_bytes() == content


@pytest.mark.parametrize("asked", [["--remote"], []], ids=["and pushed", "not taken from a wrong remote"])
def test_what_is_right_nowhere_is_made_again(doctor, asked):
    before = contents(*KEPT)
    flip(stored(TRAIN))
    flip(Path(TRAIN))
    code, lines = doctor(*asked, "--fix")
    assert code == 0
    assert ran("\n".join(lines)) == {"fetch"}
    assert doctor("--remote", "--fix")[0] == 0
    assert contents(*KEPT) == before


def test_what_cannot_be_repaired_is_said_and_not_left_wrong(doctor):
    paths = stored(TRAIN), cached(TRAIN)
    flip(stored(TRAIN))
    flip(Path(TRAIN))
    Path("make.py").write_text("raise SystemExit('no hay red')", encoding="utf-8")
    code, lines = doctor("--remote", "--fix")
    assert code == 1
    assert not any(path.exists() for path in paths)
    assert any(f" (fetch: {TRAIN}): not there, expected" in line for line in lines)
    assert list(Path(".cache/doctor").glob(f"*/{TRAIN}"))


def test_of_what_the_remote_alone_has_only_what_is_wrong_is_removed(doctor):
    path, before = stored(TRAIN), contents(Path("../storage"))
    for name in ("data", "models", ".dvc/cache"):
        shutil.rmtree(name)
    flip(path)
    code, lines = doctor("--remote", "--fix")
    assert code == 1
    assert f" (fetch: {TRAIN}): got md5 " in lines[0]
    assert before.keys() - contents(Path("../storage")).keys() == {path}


def test_what_dvc_push_takes_to_be_on_the_remote_is_pushed(doctor):
    path = stored(TRAIN)
    path.unlink()
    assert "up to date" in run(Path(), "dvc", "push")  # it asks for the list of a folder alone
    assert doctor("--remote", "--fix")[0] == 0
    assert path.exists()


def test_a_remote_that_holds_nothing_is_one_line(doctor):
    run(Path(), "dvc", "remote", "add", "nueva", "../nueva")
    code, lines = doctor("--remote", "nueva")
    assert code == 1
    repaired = "`resumen doctor --remote=nueva --fix` repairs it"
    assert lines[:-1] == [f"--remote=nueva (7 files): not there, none of them; {repaired}"]
    assert doctor("--remote", "nueva", "--fix")[0] == 0


def test_what_the_cache_lacks_is_put_there_by_dvc_commit(doctor):
    cached(MODEL).unlink()
    assert doctor()[1][0].startswith("weights: not in the workspace, not in DVC's cache or ")
    run(Path(), "dvc", "commit")
    assert doctor() == (0, [doctor()[1][-1]])


def test_what_cannot_be_read_is_named_and_left_alone(doctor):
    path = stored(TRAIN)
    path.unlink()
    path.mkdir()  # root, as which tests may run, reads what it has no right to
    code, lines = doctor("--remote", "--fix")
    assert code == 1
    assert "got md5 nothing readable (Is a directory), expected " in lines[0]
    assert lines[0].endswith("; see to the rights, the disk or the network")
    assert path.is_dir()


def test_a_fault_of_the_users_is_one_line(doctor):
    run(Path(), "dvc", "remote", "add", "oss", "oss://cubo/resumen")
    message = "oss is supported, but requires 'dvc-oss' to be installed; install it, or name another remote"
    assert doctor("--remote", "oss")[0] == f"error: DVC: {message}"
    assert doctor("--remote", "nada")[0] == "error: DVC: config file error: remote 'nada' doesn't exist"
    for text, message in (("stages: [", "1: not YAML: "), ("stages: [1]", " not as DVC writes it; ")):
        Path("dvc.lock").write_text(text, encoding="utf-8")
        assert doctor()[0].startswith(f"error: dvc.lock:{message}")
    Path("dvc.lock").unlink()
    assert doctor()[0] == "error: dvc.lock: not found; run from the folder that holds the project"


def test_a_fault_of_a_remotes_own_library_is_one_line(doctor, monkeypatch):
    pytest.importorskip("dvc_s3", reason="`make servers` installs it")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    run(Path(), "dvc", "remote", "add", "s3", "s3://cubo/resumen")
    assert (
        doctor("--remote", "s3")[0] == "error: the remote: NoCredentialsError: Unable to locate credentials"
    )
