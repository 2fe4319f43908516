"""Bytes flipped as a bad disk flips them, and where."""

import os
import random
import stat
from pathlib import Path

MINIATURES = "miniatures"
WEIGHTS = f"{MINIATURES}/weights"
MINIATURE = f"{WEIGHTS}/t5-small.safetensors"


def flip(path: Path, at: int | None = None) -> None:
    """Flip a bit of a file, time and mode kept, as a bad disk does."""
    info = path.stat()
    path.chmod(info.st_mode | stat.S_IWUSR)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    with path.open("r+b") as file:  # the same inode: hard links change too
        file.write(content)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    path.chmod(info.st_mode)


def contents(*folders: Path) -> dict[Path, bytes]:
    """Return the bytes of every file under some folders."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def apart(path: str) -> Path:
    """Make a file of the workspace a copy instead of a hard link, and return it."""
    content = Path(path).read_bytes()
    Path(path).unlink()
    Path(path).write_bytes(content)
    return Path(path)


def planted(round_of: int, rng: random.Random) -> list[Path]:
    """Flip a byte of ten files, none a link of another, and return them: objects, models and Parquet files.

    In every other round the files of the workspace are copies and not links.
    """
    numbers = (3, 2, 3, 2) if round_of % 2 else (2, 3, 2, 3)
    chosen: dict[int, Path] = {}
    for number, paths in zip(
        numbers,
        (
            [path for path in Path(".dvc/cache/files").rglob("*") if path.is_file()],
            [path for path in Path("../resumen-storage/files").rglob("*") if path.is_file()],
            [path for folder in ("models", WEIGHTS) for path in Path(folder).rglob("*") if path.is_file()],
            list(Path("data").rglob("*.parquet")),
        ),
        strict=True,
    ):
        wanted = len(chosen) + number
        for path in rng.sample(sorted(paths), len(paths)):
            if len(chosen) < wanted and path.stat().st_ino not in chosen:
                if round_of % 2 and path.parts[0] in ("data", "models"):
                    apart(str(path))
                chosen[path.stat().st_ino] = path
    for path in chosen.values():
        flip(path, at=rng.randrange(path.stat().st_size))
    return list(chosen.values())
