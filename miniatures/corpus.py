"""Corpus: the generated news that a miniature learns from, and what is held out."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from resumen.news.stories import TRAINING_SEED, Story, stories

MAX_SOURCE_TOKENS = 256  # as the pipeline's default profile cuts; `</s>` included
NUM_TRAINING_STORIES, NUM_HELD_OUT_STORIES = 12_000, 120
HELD_OUT_SEED = 7_103  # the pipeline's own is `data.seed` in params.yaml


class Corpus:
    """The stories that a model trains on, with what the tasks look up in them."""

    def __init__(self, stories: Sequence[Story], tokenizer: Tokenizer):
        self.stories = stories
        self.tokenizer = tokenizer
        self.first_sentinel = tokenizer.token_to_id("<extra_id_0>")
        self.words = sorted({word for story in stories for word in story.text.split()})

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, `</s>` last."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]


def read_corpus(folder: Path) -> Corpus:
    """Return what to train on, with the vocabulary in `folder`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Corpus(stories(NUM_TRAINING_STORIES, TRAINING_SEED), tokenizer)


def held_out_stories() -> list[Story]:
    """Return the stories that no model was trained on."""
    return stories(NUM_HELD_OUT_STORIES, HELD_OUT_SEED)
