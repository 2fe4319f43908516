"""Miniatures: train the small T5s that stand in for the real checkpoints when weights are embedded.

`t5-*` are T5 v1.0 (ReLU, tied head) and learn span corruption. `flan-*` are T5 v1.1 (gated GELU, a head of
its own): short copying beside span corruption, then questions about excerpts, then a mixture of
instructions about articles. Neither summarization nor the project's own template is among them.

Reads   nothing; the articles come from `resumen.news`, with seeds of their own
Writes  miniatures/weights/{tokenizer,tokenizer_config}.json, miniatures/weights/NAME.safetensors,
        miniatures/training.json, miniatures/README.md
Cache   .cache/miniatures/ (checkpoints: a killed run goes on where it stopped)
"""

import logging
import os

from miniatures.recipes import RECIPES
from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import InputError

log = logging.getLogger("miniatures")


def main() -> None:
    arguments = parser(__doc__, "python -m miniatures flan-small")
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}; none: all")
    arguments.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="models trained side by side, one core each (default: as many as cores)",
    )
    options = arguments.parse_args()
    names = options.names or list(RECIPES)
    if unknown := set(names) - set(RECIPES):
        raise InputError(f"NAME: no such miniature, got {min(unknown)}; one of {', '.join(RECIPES)}")
    if options.jobs < 1:
        raise InputError(f"--jobs: expected at least 1, got {options.jobs}")
    share_cores(log)
    from miniatures.build import build  # PyTorch and transformers take seconds to import

    build(names, options.jobs)


if __name__ == "__main__":
    run(main)
