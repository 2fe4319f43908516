"""Compare metrics/ as it is now with the committed one, within the tolerance that LOG.md records.

Extractive systems and the data must be equal to the last digit. What a model wrote may differ between
machines by the largest difference that was measured.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# The metrics that a model's arithmetic decides; all the others have to be equal.
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
TOLERANCE = re.compile(
    r"^Tolerance of CI, (finetuned|other models|probes): (\d+(?:\.\d+)?) points", re.MULTILINE
)
EXTRACTIVE = ("lead-1", "lead-3", "oracle", "random-3")


def committed(path: str) -> dict:
    """Return the JSON at `path` in HEAD."""
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], capture_output=True, check=True)
    return json.loads(shown.stdout)


def names(*command: str) -> set[str]:
    """Return the files of metrics/ that a git command lists."""
    listed = subprocess.run(["git", *command, "metrics"], capture_output=True, check=True, text=True)
    return set(listed.stdout.split())


def faults_of_system(path: str, now: dict, before: dict, tolerance: float, probes: float) -> list[str]:
    """Return what of a system's metrics differs by more than `tolerance` points, `probes` for probes."""
    allowed = {**dict.fromkeys(ROUGE, tolerance), "lost_words_pct": 0.0, "probe_exact_pct": probes}
    if now.keys() != before.keys():
        return [f"{path}: has {sorted(now)}, committed {sorted(before)}"]
    off = [
        name
        for name in allowed.keys() & now.keys()
        if round(abs(now[name] - before[name]), 2) > allowed[name]
    ]
    return [f"{path}: {name} {now[name]}, committed {before[name]} ± {allowed[name]}" for name in sorted(off)]


def main() -> None:
    # A later entry of the log speaks for a later state of the code, and wins.
    tolerances = dict(TOLERANCE.findall(Path("LOG.md").read_text(encoding="utf-8")))
    tracked, untracked = names("ls-files"), names("ls-files", "--others")
    faults = [f"{path}: appeared" for path in sorted(untracked)]
    for path in sorted(tracked):
        if not Path(path).is_file():
            faults.append(f"{path}: gone")
            continue
        now, before = json.loads(Path(path).read_text(encoding="utf-8")), committed(path)
        system = Path(path).stem
        if path.startswith("metrics/systems/") and system not in EXTRACTIVE:
            kind = "finetuned" if system == "finetuned" else "other models"
            allowed = float(tolerances[kind]), float(tolerances["probes"])
            faults += faults_of_system(path, now, before, *allowed)
        elif path == "metrics/finetune.json":
            apart = round(abs(now["validation_rougeL"] - before["validation_rougeL"]), 2)
            if apart > float(tolerances["finetuned"]):
                faults.append(f"{path}: validation_rougeL is {apart} points off")
        elif path in ("metrics/evaluation.json",) or path.startswith("metrics/plots/"):
            continue  # the same numbers as metrics/systems and metrics/finetune.json
        elif now != before:
            faults.append(f"{path}: expected {before}, got {now}")
    sys.stdout.write("\n".join(faults) + "\n" if faults else f"metrics agree, within {tolerances}\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
