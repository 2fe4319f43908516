"""Every path of the project, relative to its root.

dvc.yaml names those that stages read and write a second time: DVC has to know them without running anything.
"""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
MAKEFILE = Path("Makefile")
README = Path("README.md")
README_ES = Path("README.es.md")
REFERENCE_DIR = Path("docs/reference")

TEMPLATES = Path("prompts/templates.yaml")
PROBES = Path("prompts/probes.yaml")
MINIATURES_DIR = Path("miniatures")
MINIATURE_WEIGHTS = Path("miniatures/weights")
PAGE_DIR = Path(__file__).parents[1] / "page"  # beside its code, wherever that lies

RAW_DIR = Path("data/raw")
RAW_TRAIN = RAW_DIR / "train.parquet"
RAW_VALIDATION = RAW_DIR / "validation.parquet"
RAW_TEST = RAW_DIR / "test.parquet"
FORMATTED_DIR = Path("data/formatted")
FORMATTED_TRAIN = FORMATTED_DIR / "train.parquet"
FORMATTED_TEST = FORMATTED_DIR / "test.parquet"
TOKENIZED_DIR = Path("data/tokenized")  # / a key of `finetunings`
PREDICTIONS_DIR = Path("data/predictions")
ANSWERS_DIR = Path("data/answers")
SCORES_FILE = Path("data/scores.parquet")

PRETRAINED_DIR = Path("models/pretrained")  # / a key of `checkpoints`
FINETUNED_DIR = Path("models/finetuned")  # / a key of `finetunings`

METRICS_DIR = Path("metrics")
DATA_METRICS = METRICS_DIR / "data.json"
TOKENIZE_METRICS = METRICS_DIR / "tokenize"  # / a key of `finetunings` and .json, here and below
FINETUNE_METRICS = METRICS_DIR / "finetune"
CURVES_DIR = METRICS_DIR / "curves"
EVALUATION_FILE = METRICS_DIR / "evaluation.json"
SYSTEMS_DIR = METRICS_DIR / "systems"
DATA_CURVE = METRICS_DIR / "curve.json"  # what `resumen curve` found last, {} before it has run
PLOTS_DIR = METRICS_DIR / "plots"
CURVES_PLOT = PLOTS_DIR / "training.json"
SCORES_PLOT = PLOTS_DIR / "scores.json"
LENGTHS_PLOT = PLOTS_DIR / "lengths.json"

REPORTS_DIR = Path("reports")
REPORT = REPORTS_DIR / "report.html"
PLOTS_PAGE = REPORTS_DIR / "plots.html"
CURVE_PAGE = REPORTS_DIR / "curve.html"
MODEL_CARD = REPORTS_DIR / "model_card.md"

KEPT_DIR = Path(".resumen")  # work that outlives its process
CACHE_DIR = Path(".cache")
PUBLISH_DIR = CACHE_DIR / "publish"  # what is on its way to the hub
ASIDE_DIR = CACHE_DIR / "doctor"  # what the doctor took out of the workspace
