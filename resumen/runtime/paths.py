"""Every path of the project, relative to its root.

dvc.yaml names those that stages read and write a second time: DVC has to know them without running anything.
"""

from pathlib import Path

PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")
README = Path("README.md")

TEMPLATES = Path("prompts/templates.yaml")
PROBES = Path("prompts/probes.yaml")
MINIATURES_DIR = Path("miniatures")
MINIATURE_WEIGHTS = Path("miniatures/weights")
PAGE_DIR = Path(__file__).parents[1] / "page"  # beside its code, wherever that lies
PAGE_SCRIPT = PAGE_DIR / "report.js"

RAW_DIR = Path("data/raw")
RAW_VALIDATION = RAW_DIR / "validation.parquet"
RAW_TEST = RAW_DIR / "test.parquet"
FORMATTED_DIR = Path("data/formatted")
FORMATTED_TRAIN = FORMATTED_DIR / "train.parquet"
FORMATTED_TEST = FORMATTED_DIR / "test.parquet"
TOKENIZED_DIR = Path("data/tokenized")
TOKENIZED_TRAIN = TOKENIZED_DIR / "train.parquet"
TOKENIZED_VALIDATION = TOKENIZED_DIR / "validation.parquet"
TOKENIZER_DIR = TOKENIZED_DIR / "tokenizer"
PREDICTIONS_DIR = Path("data/predictions")
ANSWERS_DIR = Path("data/answers")
SCORES_FILE = Path("data/scores.parquet")

PRETRAINED_DIR = Path("models/pretrained")  # / a key of `checkpoints`
FINETUNED_DIR = Path("models/finetuned")

METRICS_DIR = Path("metrics")
DATA_METRICS = METRICS_DIR / "data.json"
TOKENIZE_METRICS = METRICS_DIR / "tokenize.json"
FINETUNE_METRICS = METRICS_DIR / "finetune.json"
EVALUATION_FILE = METRICS_DIR / "evaluation.json"
SYSTEMS_DIR = METRICS_DIR / "systems"
PLOTS_DIR = METRICS_DIR / "plots"
CURVE = PLOTS_DIR / "training.json"
SCORES_PLOT = PLOTS_DIR / "scores.json"
LENGTHS_PLOT = PLOTS_DIR / "lengths.json"

REPORTS_DIR = Path("reports")
REPORT = REPORTS_DIR / "report.html"
MODEL_CARD = REPORTS_DIR / "model_card.md"

KEPT_DIR = Path(".resumen")  # work that outlives its process
CACHE_DIR = Path(".cache")
PUBLISH_DIR = CACHE_DIR / "publish"  # what is on its way to the hub
ASIDE_DIR = CACHE_DIR / "doctor"  # what the doctor took out of the workspace
