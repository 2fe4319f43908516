"""Where a checkpoint is from, and the sha256 of each of its files, beside them."""

from pathlib import Path

from resumen.runtime.errors import InputError, shown
from resumen.runtime.files import sha256_of
from resumen.runtime.jsonfiles import read_json, write_json

PROVENANCE = "provenance.json"  # beside what a stage wrote: where it is from, and the sha256 of each file


def write_provenance(folder: Path, **origin: str) -> dict[str, str]:
    """Write where a checkpoint is from, and the sha256 of each of its files, beside them; return these."""
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    write_json(folder / PROVENANCE, {**origin, "sha256": hashes})
    return hashes


def check_hashes(folder: Path) -> None:
    """Raise InputError if a file of a checkpoint is not what the provenance beside it says.

    A folder from elsewhere has none.
    """
    if not (path := folder / PROVENANCE).is_file():
        return
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object, got {shown(content)}; make the folder again")
    hashes = content.get("sha256")
    if not isinstance(hashes, dict):
        raise InputError(f"{path}: sha256: expected an object, got {shown(hashes)}; make the folder again")
    files = {file.name for file in folder.iterdir()}
    for name, expected in hashes.items():
        if name not in files:
            raise InputError(f"{path}: sha256: {shown(name)}: no file of this folder; make the folder again")
        if sha256_of(folder / name) != expected:
            raise InputError(
                f"{folder / name}: damaged: its sha256 is not the one in {PROVENANCE}; "
                "`resumen doctor --fix` repairs what is this project's, else copy it again; if you "
                f"changed it, remove {PROVENANCE}"
            )
