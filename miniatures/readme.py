"""README.md of the miniatures, written from training.json."""

from collections.abc import Sequence
from typing import Any

from miniatures.corpus import MAX_SOURCE_TOKENS, NUM_HELD_OUT_STORIES
from miniatures.evaluation import KINDS
from miniatures.templates import QUESTION_TEMPLATE
from miniatures.training import NUM_THREADS
from miniatures.vocabulary import MISSING_LETTERS, NUM_SENTINELS, NUM_SPARE_ROWS

README_TEMPLATE = """\
# The embedded miniatures

Written by `python -m miniatures`; do not edit. Small T5s that stand in for the real checkpoints
where `weights` is `embedded`. Made by us from generated news: no weight and no text comes from elsewhere.

- `t5-*` are T5 v1.0 (ReLU, tied head, scaled decoder output), trained on span corruption.
- `flan-*` are T5 v1.1 (gated GELU, a head of their own), trained on short copying beside span corruption,
  then on questions about excerpts (up to five at once), then on a mixture of instructions about whole
  articles. Neither summarization nor the project's own template is among them; three in four requests for a
  headline name "el siguiente articulo", as that template does.
- A file holds the weights in bf16 under their Hugging Face names, and the model's `config.json` as its
  metadata `config`.
- A question is put before the text: `{question}`.

## Models

{sizes}

## Questions answered exactly

Those of {num_held_out} generated articles that no model was trained on: question and article cut at
{source_tokens} tokens, the answer greedy.
Expected is the answer as the vocabulary can spell it.

{exact}

## Loss

Mean cross-entropy a target token since the point before. The phases' tasks differ, so do their losses.

{losses}

## Phases

{phases}

## Vocabulary

{pieces:,} pieces, {sentinels} sentinels and {spare} spare embedding rows: a sentencepiece Unigram
model trained on generated news and a little English of our own. It holds every character that is a piece of
T5's own vocabulary, digits apart, and lacks, as T5's does, `{missing_letters}`.
Tokens an article: {p5} (5 %), {p50} (median), {p95} (95 %); {cut_pct} % are longer than {source_tokens}.

`tokenizer.json`: sha256 `{vocabulary_sha256}`
`tokenizer_config.json`: sha256 `{config_sha256}`

## Again

`python -m miniatures` makes the same bytes on the same machine with the same torch, and a killed
run goes on from `.cache/miniatures/`. {threads} thread a model (as many models side by side as there are
cores), fp32, Muon and AdamW, torch.compile, deterministic, no dropout.
"""


def table(*rows: Sequence[object]) -> str:
    """Return `rows` as a Markdown table, the first as its head.

    >>> print(table(["model", "steps"], ["t5-small", 500]))
    | model | steps |
    |---|---|
    | t5-small | 500 |
    """
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def readme(record: dict[str, Any]) -> str:
    """Return README.md: what was trained, on what, and how well it learned."""
    vocabulary, models = record["vocabulary"], record["models"]
    sizes, exact, losses, phases = [], [], [], []
    for name, model in models.items():
        shape = [model[key] for key in ("version", "d_model", "layers")]
        numbers = [f"{model[key]:,}" for key in ("parameters", "bytes", "steps")]
        sizes.append((name, *shape, *numbers, f"`{model['sha256']}`"))
        exact.append((name, *(f"{model['exact_pct'][kind][1]} %" for kind in KINDS)))
        losses.append((name, ", ".join(f"{step}: {loss}" for step, loss in model["curve"])))
        for phase in model["phases"]:
            tasks = ", ".join(f"{task} {share}" for task, share in phase["mixture"])
            numbers = [phase[key] for key in ("max_words", "steps", "batch", "learning_rate")]
            phases.append((name, tasks, *numbers))
        asked = ("(asked)", *(model["exact_pct"][kind][0] for kind in KINDS))
    head = ("model", "version", "width", "layers", "parameters", "bytes", "steps", "sha256")
    return README_TEMPLATE.format(
        question=QUESTION_TEMPLATE,
        sizes=table(head, *sizes),
        num_held_out=NUM_HELD_OUT_STORIES,
        exact=table(("model", *KINDS), asked, *exact),
        losses=table(("model", "step: loss"), *losses),
        phases=table(("model", "tasks", "words of text", "steps", "rows a step", "peak rate"), *phases),
        pieces=vocabulary["pieces"],
        sentinels=NUM_SENTINELS,
        spare=NUM_SPARE_ROWS,
        missing_letters=" ".join(MISSING_LETTERS),
        **vocabulary["tokens_per_article"],
        source_tokens=MAX_SOURCE_TOKENS,
        vocabulary_sha256=vocabulary["sha256"],
        config_sha256=vocabulary["config_sha256"],
        threads=NUM_THREADS,
    )
