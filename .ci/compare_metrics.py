"""Compare metrics/ as it is now with the committed one, within the tolerance that LOG.md records.

Extractive systems and the data must be equal to the last digit. What a model wrote may differ between
machines by the largest difference that was measured.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

EXACT = (
    "metrics/data.json",
    "metrics/tokenize.json",
    *(f"metrics/systems/{name}.json" for name in ("lead-1", "lead-3", "oracle", "random-3")),
)
TOLERANCE = re.compile(r"^Tolerance of CI: (\d+(?:\.\d+)?) points", re.MULTILINE)


def committed(path: str) -> dict:
    """Return the JSON at `path` in HEAD."""
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], capture_output=True, check=True)
    return json.loads(shown.stdout)


def main() -> None:
    tolerance = float(TOLERANCE.search(Path("LOG.md").read_text(encoding="utf-8"))[1])
    listed = subprocess.run(
        ["git", "ls-files", "metrics"], capture_output=True, check=True, text=True
    ).stdout.split()
    faults = [f"{path}: gone" for path in listed if not Path(path).is_file()]
    for path in sorted(set(listed) - {fault.split(":")[0] for fault in faults}):
        now, before = json.loads(Path(path).read_text(encoding="utf-8")), committed(path)
        if path in EXACT and now != before:
            faults.append(f"{path}: expected {before}, got {now}")
        elif path.startswith("metrics/systems/"):
            for name in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
                if abs(now[name] - before[name]) > tolerance:
                    faults.append(f"{path}: {name} {now[name]}, committed {before[name]} ± {tolerance}")
    sys.stdout.write("\n".join(faults) + "\n" if faults else f"metrics agree within {tolerance} points\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
