"""Compare metrics/ as it is now with the committed one, within the tolerances of .ci/tolerances.yaml.

Extractive systems and the data must be equal to the last digit. What a model wrote may differ between
machines by the largest difference that was measured.
"""

import json
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

TOLERANCES = Path(".ci/tolerances.yaml")
KINDS = ("finetuned", "other_models", "probes")  # its keys

# The metrics that a model's arithmetic decides; all the others have to be equal.
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
COUNTED = ("base", "rows", "articles_read", "epochs", "steps")  # of a fine-tuning
EXTRACTIVE = ("lead-1", "lead-3", "textrank", "random-3", "oracle")


def committed(path: str) -> dict:
    """Return the JSON at `path` in HEAD."""
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], capture_output=True, check=True)
    return json.loads(shown.stdout)


def read_tolerances(path: Path) -> dict[str, float]:
    """Return the tolerance of each kind of metric, in points.

    Raises:
        ValueError: a key is missing, unknown, or its value is no number of 0 or more.
    """
    tolerances = YAML(typ="safe").load(path)
    if not isinstance(tolerances, dict):
        raise ValueError(f"{path}: expected a mapping, got {tolerances!r}")
    for key in KINDS:
        if key not in tolerances:
            raise ValueError(f"{path}: {key}: missing key, has {list(tolerances)}")
    for key, points in tolerances.items():
        if key not in KINDS:
            raise ValueError(f"{path}: {key}: unknown key, expected {list(KINDS)}")
        if isinstance(points, bool) or not isinstance(points, int | float) or not points >= 0:
            raise ValueError(f"{path}: {key}: expected a number of 0 or more, got {points!r}")
    return tolerances


def names(*command: str) -> set[str]:
    """Return the files of metrics/ that a git command lists."""
    listed = subprocess.run(["git", *command, "metrics"], capture_output=True, check=True, text=True)
    return set(listed.stdout.split())


def faults_of_system(path: str, now: dict, before: dict, tolerance: float, probes: float) -> list[str]:
    """Return what of a system's metrics differs by more than `tolerance` points, `probes` for probes."""
    exact = {"lost_words_pct": 0.0, "parameters": 0.0}
    allowed = {**dict.fromkeys(ROUGE, tolerance), **exact, "probe_exact_pct": probes}
    if now.keys() != before.keys():
        return [f"{path}: has {sorted(now)}, committed {sorted(before)}"]
    off = [
        name
        for name in allowed.keys() & now.keys()
        if round(abs(now[name] - before[name]), 2) > allowed[name]
    ]
    return [f"{path}: {name} {now[name]}, committed {before[name]} ± {allowed[name]}" for name in sorted(off)]


def faults_of_values(path: str, now: dict, before: dict, tolerances: dict[str, float]) -> list[str]:
    """Return what differs too much of all that was measured of the systems; metrics/systems has a part."""
    one, other = ({row["system"]: row["values"] for row in side["systems"]} for side in (now, before))
    if one.keys() != other.keys():
        return [f"{path}: has systems {sorted(one)}, committed {sorted(other)}"]
    faults = []
    for system, values in one.items():
        where = f"{path}: {system}"
        if system in EXTRACTIVE:
            faults += [f"{where}: expected {other[system]}, got {values}"] * (values != other[system])
        else:
            tolerance = tolerances["finetuned" if is_trained(system) else "other_models"]
            faults += faults_of_system(where, values, other[system], tolerance, tolerances["probes"])
    return faults


def is_trained(system: str) -> bool:
    """Return whether a system runs a fine-tuned model."""
    systems = YAML(typ="safe").load(Path("params.yaml"))["systems"]
    return system in systems and systems[system]["from"].startswith("models/finetuned/")


def main() -> None:
    tolerances = read_tolerances(TOLERANCES)
    tracked, untracked = names("ls-files"), names("ls-files", "--others")
    faults = [f"{path}: appeared" for path in sorted(untracked)]
    for path in sorted(tracked):
        if not Path(path).is_file():
            faults.append(f"{path}: gone")
            continue
        now, before = json.loads(Path(path).read_text(encoding="utf-8")), committed(path)
        system = Path(path).stem
        if path.startswith("metrics/systems/") and system not in EXTRACTIVE:
            kind = "finetuned" if is_trained(system) else "other_models"
            faults += faults_of_system(path, now, before, tolerances[kind], tolerances["probes"])
        elif path.startswith("metrics/finetune/"):
            apart = round(abs(now["validation_rougeL"] - before["validation_rougeL"]), 2)
            if differing := [key for key in COUNTED if now.get(key) != before.get(key)]:
                faults.append(f"{path}: {', '.join(differing)}: not as committed")
            if apart > tolerances["finetuned"]:
                faults.append(f"{path}: validation_rougeL is {apart} points off")
        elif path == "metrics/evaluation.json":
            faults += faults_of_values(path, now, before, tolerances)
        elif path.startswith(("metrics/plots/", "metrics/curves/")):
            continue  # the same numbers as metrics/evaluation.json and metrics/finetune
        elif now != before:
            faults.append(f"{path}: expected {before}, got {now}")
    sys.stdout.write("\n".join(faults) + "\n" if faults else f"metrics agree, within {tolerances}\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
