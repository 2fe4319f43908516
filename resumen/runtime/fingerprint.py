"""What decides a result, by name and hash: params, inputs, code, libraries."""

import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from resumen.runtime.files import list_files, sha256_of, sha256_of_json
from resumen.runtime.provenance import PROVENANCE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("__main__", "resumen", "stages")  # of a thousand modules; a stage that runs is the first
CODE = (ROOT / "stages", ROOT / "resumen")
CANNOT_DECIDE = (ROOT / "resumen/runtime", ROOT / "resumen/tools")


def fingerprint(params: Iterable[object], paths: Iterable[Path], **others: str) -> dict[str, str]:
    """Return what decides a result, by name: params, the files at `paths`, the code that is loaded, `others`.

    `params` are blocks of params.yaml, told by their repr.
    """
    return {
        "params": sha256_of_json([repr(block) for block in params]),
        **{str(path): sha256_of_json([sha256_of(file) for file in deciding_files(path)]) for path in paths},
        "the code": sha256_of_json([f"{file.relative_to(ROOT)} {sha256_of(file)}" for file in loaded_code()]),
        **{library: version(library) for library in ("torch", "transformers", "tokenizers")},
        **others,
    }


def loaded_code() -> list[Path]:
    """Return the files of the project's modules that are loaded and can change a number, in a fixed order."""
    ours = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in PACKAGES]
    names = (getattr(module, "__file__", None) for module in ours)
    files = {Path(name).resolve() for name in names if name}
    return sorted(
        file
        for file in files
        if any(map(file.is_relative_to, CODE)) and not any(map(file.is_relative_to, CANNOT_DECIDE))
    )


def deciding_files(path: Path) -> list[Path]:
    """Return the files whose bytes say what `path` holds.

    Of a checkpoint it is the provenance, against whose hashes the others are held when it is loaded.
    """
    provenance = path / PROVENANCE
    return [provenance] if provenance.is_file() else list_files(path)
