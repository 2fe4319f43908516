"""Doctor: of a hundred flipped bytes a hundred are found, and none is left."""

import os
import random
import sys
from pathlib import Path

from tests.helpers.clone import copied, repro, run
from tests.helpers.damage import MINIATURES, contents, planted


def test_of_a_hundred_flipped_bytes_a_hundred_are_found_and_none_is_left(finished_run, tmp_path, monkeypatch):
    folder = copied(finished_run, tmp_path / "clone")
    run(folder, "dvc", "push")
    monkeypatch.chdir(folder)
    kept = [Path(name) for name in ("data", "models", "metrics", "reports", ".dvc/cache/files", MINIATURES)]
    before = contents(*kept, Path("../resumen-storage"))
    rng, result, told = random.Random(13), [], (sys.executable, "-m", "resumen", "doctor", "--remote")
    for round_of in range(10):
        harmed = planted(round_of, rng)
        lines = run(folder, *told, fails=True).splitlines()
        names = {os.path.normpath(line.split(" (")[0]) for line in lines if " (" in line}
        result += [path for path in harmed if str(path) in names or str(path.resolve()) in names]
        run(folder, *told, "--fix")
        assert contents(*kept, Path("../resumen-storage")) == before
    assert len(result) == 100
    assert repro(folder) == set()
    assert run(folder, "git", "status", "--porcelain") == ""
