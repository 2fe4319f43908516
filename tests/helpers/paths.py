"""Where the repository lies, and the material beside it that a test may use where it is there."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared/data"
