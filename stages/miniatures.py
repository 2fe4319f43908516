"""Miniatures: train the small T5s that stand in for the real checkpoints when weights are embedded.

`t5-*` are T5 v1.0 (ReLU, tied head) and learn span corruption. `flan-*` are T5 v1.1 (gated GELU, a head of
its own): short copying beside span corruption, then questions about excerpts, then a mixture of
instructions about articles. Neither summarization nor the project's own template is among them.

Reads   nothing; the articles come from `stages.shared.news`, with seeds of their own
Writes  stages/miniatures/{tokenizer,tokenizer_config,training}.json, NAME.safetensors, README.md
Cache   .cache/miniatures/ (checkpoints: a killed run goes on where it stopped)
"""

import base64
import hashlib
import io
import json
import logging
import math
import multiprocessing
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors import safe_open
from safetensors.torch import save
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import T5Config, T5ForConditionalGeneration

from stages.shared import news
from stages.shared.cli import InputError, parser, run
from stages.shared.files import read_json, whole, write_json
from stages.shared.news import TRAINING_SEED, VOCABULARY_SEED

log = logging.getLogger("miniatures")

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "stages" / "miniatures"
CACHE = ROOT / ".cache" / "miniatures"

NUM_THREADS = 1  # a model; another count adds floats in another order: other bytes
CHECKPOINT_SECONDS = 60
LOG_SECONDS = 15  # between plain lines, where no terminal shows a bar
CURVE_POINTS = 12  # mean losses kept for README.md
POOL_BATCHES = 4  # batches drawn together and sorted by length, so that little is padding
MAX_SOURCE_TOKENS = 256  # as the pipeline's default profile cuts; `</s>` included

# Seeds of the generated news; the pipeline's own is `data.seed` in params.yaml.
HELD_OUT_SEED = 7_103
NUM_VOCABULARY_STORIES, NUM_TRAINING_STORIES, NUM_HELD_OUT_STORIES = 4_000, 12_000, 120


# ---- recipes ----------------------------------------------------------------------------------------


Mixture = tuple[tuple[str, float], ...]  # task of TASKS, its share of the rows


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one mixture of tasks."""

    mixture: Mixture
    max_words: int  # of the article's text in a source
    steps: int
    batch: int  # rows a step
    learning_rate: float  # peak


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of one model, but for the code and the news."""

    version: str  # v1.0 or v1.1
    d_model: int
    d_kv: int
    d_ff: int
    num_heads: int
    num_layers: int
    num_decoder_layers: int
    phases: tuple[Phase, ...]
    seed: int
    warmup_steps: int = 50  # from zero to the first phase's peak
    decay_share: float = 0.4  # of all steps, at the end: linear to zero
    position_scale: float = 40.0  # times the learning rate, for the relative position biases
    compiled: bool = True  # by torch.compile, which wants a C++ compiler: 1.6 times the steps a second
    max_grad_norm: float = 1.0

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)


CORRUPTION = (("span_corruption", 1.0),)
COPYING = (("repeat", 0.33), ("continue_after", 0.47), ("span_corruption", 0.2))
READING = (
    ("question", 0.4),
    ("questions", 0.4),
    ("find_sentences", 0.1),
    ("continue_after", 0.1),
)
INSTRUCTIONS = (
    ("question", 0.25),
    ("questions", 0.33),
    ("headline", 0.2),
    ("topic", 0.04),
    ("completion", 0.04),
    ("find_sentences", 0.14),
)
# Asked who of three people it was, a model of the other mixtures guesses (43 % of the questions).
SELECTING = (
    ("select", 0.45),
    ("question", 0.1),
    ("questions", 0.25),
    ("find_sentences", 0.1),
    ("continue_after", 0.1),
)
SELECTION = (
    ("select", 0.2),
    ("question", 0.2),
    ("questions", 0.2),
    ("headline", 0.2),
    ("topic", 0.04),
    ("completion", 0.04),
    ("find_sentences", 0.12),
)


def t5_phases(short: int, long: int) -> tuple[Phase, ...]:
    return (
        Phase(CORRUPTION, max_words=40, steps=short, batch=32, learning_rate=6e-3),
        Phase(CORRUPTION, max_words=100, steps=long, batch=32, learning_rate=6e-3),
        Phase(CORRUPTION, max_words=180, steps=long, batch=32, learning_rate=4e-3),
    )


def flan_phases(reading: Mixture, instructions: Mixture, steps: int) -> tuple[Phase, ...]:
    return (
        Phase(COPYING, max_words=14, steps=500, batch=64, learning_rate=6e-3),
        Phase(reading, max_words=40, steps=600, batch=32, learning_rate=6e-3),
        Phase(reading, max_words=90, steps=450, batch=32, learning_rate=6e-3),
        Phase(instructions, max_words=180, steps=steps, batch=32, learning_rate=4e-3),
    )


# T5's relative position biases are shared by all layers: a head that looks at the neighbour does so in each.
# With four heads none was left to compare question and text (23 % of the questions answered exactly), with
# eight of half the width there was (68 %). Wider ones learned to copy later, and had fewer steps in the time:
# what the larger Flan sizes have more of is feed-forward width and instructions.
RECIPES = {  # version, d_model, d_kv, d_ff, heads, encoder layers, decoder layers
    "t5-small": Recipe("v1.0", 96, 12, 256, 8, 2, 2, t5_phases(200, 100), seed=11),
    "t5-base": Recipe("v1.0", 112, 14, 224, 8, 2, 2, t5_phases(200, 100), seed=12),
    "flan-small": Recipe("v1.1", 96, 12, 192, 8, 2, 2, flan_phases(READING, INSTRUCTIONS, 1_200), seed=21),
    "flan-base": Recipe("v1.1", 96, 12, 256, 8, 2, 2, flan_phases(READING, INSTRUCTIONS, 1_600), seed=22),
    "flan-large": Recipe("v1.1", 96, 12, 384, 8, 2, 2, flan_phases(SELECTING, SELECTION, 2_100), seed=23),
}


# ---- vocabulary -------------------------------------------------------------------------------------

HOLE = "íúñÁÍÓÚÑ¿¡"  # the letters of Spanish that T5's vocabulary lacks
# Every character that is a piece of T5's own vocabulary, in its order, the word mark apart.
# Source: spiece.model, sha256 d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86.
T5_CHARACTERS = (
    "X.,sa:et-’idn'olmr!?)ycuà/făp–hb;\"gS”ékz&AIvwxCBD—MPj2FTELKRYGW31VHN\u00ad4(0OJ“5_]876Zș+Uü9şâ%®@еqäö*°о"
    "Q=аиá>$€ţîу»ț#óè‘ßсд[млвктÉн«êрç|ôûÎÜ′£ù„•"
)
NUM_PIECES = 1_200  # `<pad>`, `</s>`, `<unk>` included, sentinels not
NUM_SENTINELS = 100
NUM_SPARE_ROWS = 28  # of the embedding, beyond the vocabulary, as in T5
PAD, EOS, UNK = 0, 1, 2

ENGLISH = """\
The mayor opened the new library on Monday after two years of work.
The company said that it would hire three hundred people this year.
Summarize the following text in one sentence.
Answer the question about the article.
Translate English to Spanish: the house is small and the garden is large.
What is the capital of France? The capital of France is Paris.
Once upon a time there was a little girl who lived near the forest.
The meaning of life is not something that one can write down.
Scientists have found a new planet that is twice as large as the Earth.
I really liked this film, the actors were great and the story was good.
I did not like the food, the service was slow and the room was cold.
Sentiment: positive. Sentiment: negative. Review: this is a good book.
The team won the match by two goals to one in front of its own public.
The price of oil fell by five per cent in the first week of the month.
He told the newspaper that the government had not answered his letter.
She was born in a small town and studied at the University of Oxford.
The river had risen during the night and the road was closed to traffic.
Question: who wrote the book? Answer: the text does not say.
The museum will show more than one hundred paintings from next March.
Artificial intelligence is changing the way that people work and learn.
Doctors say that walking for half an hour a day is good for the heart.
The bank will lend money to small firms that want to use less energy.
Write a short summary of this news article in Spanish.
Which of these is right? Explain your answer step by step.
There will be rain in the north and sun in the south of the country.
The children were playing in the street when the teacher called them.
"""


def template_lines() -> Iterator[str]:
    """Yield the instructions without their slots, and the probes' usual words, for the vocabulary."""
    for templates in TEMPLATES.values():
        for template in templates:
            yield template.replace("{text}", "").replace("{cue}", "")
    yield "Resume el siguiente articulo: Conversación: [Usuario] [Asistente]"
    yield "Texto: Pregunta: Respuesta: Resumen: Sentimiento: positivo negativo neutro Reseña:"


def vocabulary_lines() -> Iterator[str]:
    """Yield the words that the vocabulary is trained on, shuffled.

    Sentencepiece takes its first candidates from strings that occur in more than one context. In a generated
    sentence a word may always have the same neighbours, and would be no candidate at all.
    """
    lines = []
    for story in news.stories(NUM_VOCABULARY_STORIES, VOCABULARY_SEED):
        lines += [story.text, story.title, story.summary]
        lines += [f"{question} {answer}" for question, answer in story.questions]
    for _ in range(4):  # enough that frequent English words become pieces
        lines += [*ENGLISH.splitlines(), *template_lines()]
    words = [word for line in lines for word in line.split()]
    random.Random(VOCABULARY_SEED).shuffle(words)
    for start in range(0, len(words), 50):
        yield " ".join(words[start : start + 50])


def protobuf_fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of the fields of `message` that hold bytes, in their order.

    The format: https://protobuf.dev/programming-guides/encoding (transformers would want protobuf for it).
    """
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            varint()
        elif wire == 2:
            length = varint()
            yield number, message[at : at + length]
            at += length
        else:
            at += {1: 8, 5: 4}[wire]


def train_unigram(lines: Iterator[str], num_pieces: int) -> tuple[list[tuple[str, float]], bytes]:
    """Return at most `num_pieces` pieces with scores, T5's special ones first, and the normalizer's map.

    The letters of HOLE are user symbols while training: they cut words as an unknown letter does, nothing is
    learned across them, and they are left out of what comes back.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type="unigram",
        vocab_size=num_pieces - 10 + len(HOLE),
        hard_vocab_limit=False,  # a small text has fewer
        normalization_rule_name="nmt_nfkc",
        user_defined_symbols=list(HOLE),
        required_chars=T5_CHARACTERS,
        character_coverage=1.0,
        split_digits=True,
        pad_id=PAD,
        eos_id=EOS,
        unk_id=UNK,
        bos_id=-1,
        pad_piece="<pad>",
        num_threads=1,  # its number and the order of its sums go into the model
        minloglevel=2,
    )
    normalizer = dict(protobuf_fields(model.getvalue()))[3]
    charsmap = dict(protobuf_fields(normalizer))[2]
    trained = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [(trained.id_to_piece(id_), trained.get_score(id_)) for id_ in range(len(trained))]
    scores = {piece: score for piece, score in pieces if piece not in HOLE}
    # A number is one piece a digit, its first with the word mark, so that no piece of it means nothing.
    scores |= {f"▁{digit}": scores[digit] for digit in "0123456789"}
    return list(scores.items()), charsmap


def special_token(id_: int, content: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id_, "content": content, **flags, "special": True}


def tokenizer_files(pieces: Sequence[tuple[str, float]], charsmap: bytes) -> dict[str, str]:
    """Return the text of `tokenizer.json` and `tokenizer_config.json`, laid out as T5's own."""
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(NUM_SENTINELS))]
    vocabulary = [[piece, score] for piece, score in pieces] + [[token, 0.0] for token in sentinels]
    special = [(id_, pieces[id_][0]) for id_ in (PAD, EOS, UNK)]
    special += [(len(pieces) + place, token) for place, token in enumerate(sentinels)]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special_token(id_, content) for id_, content in special],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {
                    "type": "Precompiled",
                    "precompiled_charsmap": base64.b64encode(charsmap).decode(),
                },
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, end],
            "pair": [first, end, second, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [EOS], "tokens": ["</s>"]}},
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": UNK, "vocab": vocabulary, "byte_fallback": False},
    }
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    config = {
        "add_prefix_space": None,
        "added_tokens_decoder": {
            str(id_): {"content": content, **flags, "special": True} for id_, content in special
        },
        "additional_special_tokens": sentinels[::-1],
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "extra_ids": NUM_SENTINELS,
        "extra_special_tokens": {},
        "model_max_length": 512,
        "pad_token": "<pad>",
        "sp_model_kwargs": {},
        "tokenizer_class": "T5Tokenizer",
        "unk_token": "<unk>",
    }
    return {
        "tokenizer.json": json.dumps(tokenizer, ensure_ascii=False, indent=1) + "\n",
        "tokenizer_config.json": json.dumps(config, ensure_ascii=False, indent=2) + "\n",
    }


# ---- tasks ------------------------------------------------------------------------------------------
# A task draws one row: the source and the target, as text, or as ids for span corruption.

# The question comes first: a long text is cut at its end.
TEMPLATES = {  # {text}: the article or a part of it; {cue}: what is asked
    "question": (
        "Responde a la pregunta. {cue} Texto: {text}",
        "Pregunta: {cue} Texto: {text}",
        "Lee el texto y responde: {cue} {text}",
    ),
    "questions": ("Responde a las preguntas. {cue} Texto: {text}",),
    "headline": (
        "Escribe un titular para el siguiente articulo: {text}",
        "Pon un titular al siguiente articulo: {text}",
        "Titula el siguiente articulo: {text}",
        "Inventa un titular para esta noticia. {text}",
    ),
    "topic": ("De qué tema trata? {text}", "Pregunta: de qué tema trata? Texto: {text}"),
    "completion": ("Continúa el texto: {text}", "Escribe la frase que sigue. {text}"),
    "find_sentences": (
        "Copia la frase que dice «{cue}»: {text}",
        "Busca la frase con «{cue}». {text}",
    ),
    "repeat": ("Repite: {text}", "Copia: {text}"),
    "continue_after": ("Sigue «{cue}»: {text}", "Qué va detrás de «{cue}»: {text}"),
}


def instruct(rng: random.Random, task: str, text: str, cue: str = "") -> str:
    """Return an instruction of `task`, drawn from its templates, around `text`."""
    return rng.choice(TEMPLATES[task]).replace("{cue}", cue).replace("{text}", text)


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`.

    >>> sentences("Llueve. ¿Y mañana? Sol, 3.5 grados.")
    ['Llueve.', '¿Y mañana?', 'Sol, 3.5 grados.']
    """
    found, words = [], []
    for word in text.split():
        words.append(word)
        if word.rstrip("»”\"')")[-1:] in (".", "?", "!"):
            found.append(" ".join(words))
            words = []
    return found + ([" ".join(words)] if words else [])


def excerpt(rng: random.Random, text: str, max_words: int, holding: str = "") -> str:
    """Return neighbouring sentences, one with `holding`, of at most `max_words` if that can be."""
    parts = sentences(text)
    start = stop = rng.choice([at for at, part in enumerate(parts) if holding in part] or [0])
    num_words = len(parts[start].split())
    while True:
        sides = [at for at in (start - 1, stop + 1) if 0 <= at < len(parts)]
        sides = [at for at in sides if num_words + len(parts[at].split()) <= max_words]
        if not sides:
            return " ".join(parts[start : stop + 1])
        at = rng.choice(sides)
        start, stop = min(start, at), max(stop, at)
        num_words += len(parts[at].split())


def random_segments(rng: random.Random, total: int, parts: int) -> list[int]:
    """Return `parts` lengths, each at least 1, that add up to `total`."""
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [stop - start for start, stop in zip([0, *cuts], [*cuts, total], strict=True)]


def corrupt(
    ids: Sequence[int], kept: Sequence[int], noise: Sequence[int], first_sentinel: int
) -> tuple[list[int], list[int]]:
    """Return source and target of span corruption: `kept[0]` ids stay, `noise[0]` go, and so on.

    Sentinels descend, as in T5: the first has the highest id. No `</s>`.

    >>> corrupt([5, 6, 7, 8, 9], kept=[1, 1], noise=[2, 1], first_sentinel=99)
    ([5, 99, 8, 98], [99, 6, 7, 98, 9])
    """
    source, target, at = [], [], 0
    for place, (stay, go) in enumerate(zip(kept, noise, strict=True)):
        sentinel = first_sentinel - place
        source += [*ids[at : at + stay], sentinel]
        target += [sentinel, *ids[at + stay : at + stay + go]]
        at += stay + go
    return source, target


def span_corruption(
    rng: random.Random,
    ids: Sequence[int],
    first_sentinel: int,
    density: float = 0.15,
    mean_span: float = 3.0,
) -> tuple[list[int], list[int]]:
    """Return source and target, with as many and as long spans as T5's `random_spans_noise_mask`.

    Source: https://github.com/google-research/text-to-text-transfer-transformer (t5/data/preprocessors.py).
    """
    num_noise = min(max(round(len(ids) * density), 1), len(ids) - 1)
    num_spans = min(max(round(num_noise / mean_span), 1), len(ids) - num_noise)
    noise = random_segments(rng, num_noise, num_spans)
    kept = random_segments(rng, len(ids) - num_noise, num_spans)
    return corrupt(ids, kept, noise, first_sentinel)


def fragment(rng: random.Random, corpus: "Corpus", num_words: int) -> list[str]:
    """Return neighbouring words of an article, or (half the time) words that no model can guess."""
    if rng.random() < 0.5:
        return [rng.choice(corpus.words) for _ in range(num_words)]
    words = rng.choice(corpus.stories).text.split()
    start = rng.randrange(max(1, len(words) - num_words + 1))
    return words[start : start + num_words]


def repeat(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    text = " ".join(fragment(rng, corpus, rng.randint(3, max(3, max_words // 2))))
    return instruct(rng, "repeat", text), text


def after_pair(words: Sequence[str], start: int, num_words: int) -> tuple[str, str]:
    """Return the pair of words at `start` and the `num_words` that follow it.

    >>> after_pair("el alcalde de Soria no vino".split(), start=1, num_words=2)
    ('alcalde de', 'Soria no')
    """
    return " ".join(words[start : start + 2]), " ".join(words[start + 2 : start + 2 + num_words])


def continue_after(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    words = fragment(rng, corpus, rng.randint(6, max(6, max_words)))
    cue, target = after_pair(words, rng.randrange(len(words) - 2), rng.randint(1, 4))
    return instruct(rng, "continue_after", " ".join(words), cue), target


def question(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    story = rng.choice(corpus.stories)
    asked, answer = rng.choice(story.questions)
    return instruct(rng, "question", excerpt(rng, story.text, max_words, answer), asked), answer


def select(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    """Ask about a text that is short and holds the rivals of the answer: in an excerpt they often are not."""
    story = rng.choice(corpus.stories)
    asked, answer = rng.choice(story.questions)
    kind = kind_of(asked, answer)
    rivals = [other for cue, other in story.questions if kind_of(cue, other) == kind]
    parts = sentences(story.text)
    text = [part for part in parts if any(rival in part for rival in rivals)]
    num_words = sum(len(part.split()) for part in text)
    for part in rng.sample(parts, len(parts)):
        if part not in text and num_words + len(part.split()) <= max_words:
            text.append(part)
            num_words += len(part.split())
    rng.shuffle(text)
    return instruct(rng, "question", " ".join(text), asked), answer


def questions(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    """Ask up to five things at once: more to learn from an article, and answers as long as a summary."""
    story = rng.choice(corpus.stories)
    _, first = rng.choice(story.questions)
    text = excerpt(rng, story.text, max_words, first)
    pairs = [pair for pair in story.questions if pair[1] in text]
    asked = rng.sample(pairs, min(len(pairs), rng.randint(2, 5)))
    cue = " ".join(cue for cue, _ in asked)
    return instruct(rng, "questions", text, cue), "; ".join(answer for _, answer in asked)


def headline(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    story = rng.choice(corpus.stories)
    return instruct(rng, "headline", story.text), story.title


def topic(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    story = rng.choice(corpus.stories)
    return instruct(rng, "topic", excerpt(rng, story.text, max_words)), story.topic


def completion(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    parts = sentences(rng.choice(corpus.stories).text)
    cut = rng.randrange(1, max(2, len(parts)))
    return instruct(rng, "completion", " ".join(parts[:cut])), " ".join(parts[cut : cut + 1])


def find_sentences(rng: random.Random, corpus: "Corpus", max_words: int) -> tuple[str, str]:
    """Ask for the one or two sentences that hold the quoted pairs of words, in the order asked."""
    text = excerpt(rng, rng.choice(corpus.stories).text, max_words)
    parts = sentences(text)
    found = rng.sample(parts, min(len(parts), rng.randint(1, 2)))
    cues = []
    for words in map(str.split, found):
        start = rng.randrange(max(1, len(words) - 1))
        cues.append(" ".join(words[start : start + 2]))
    return instruct(rng, "find_sentences", text, "» y «".join(cues)), " ".join(found)


TASKS: dict[str, Callable[[random.Random, "Corpus", int], tuple[str, str]]] = {
    "repeat": repeat,
    "continue_after": continue_after,
    "question": question,
    "select": select,
    "questions": questions,
    "headline": headline,
    "topic": topic,
    "completion": completion,
    "find_sentences": find_sentences,
}


# ---- training ---------------------------------------------------------------------------------------


class Corpus:
    """The stories that a model trains on, with what the tasks look up in them."""

    def __init__(self, stories: Sequence[news.Story], tokenizer: Tokenizer):
        self.stories = stories
        self.tokenizer = tokenizer
        self.first_sentinel = tokenizer.token_to_id("<extra_id_0>")
        self.words = sorted({word for story in stories for word in story.text.split()})

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, `</s>` last."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]

    def rows(self, rng: random.Random, phase: Phase, num_rows: int) -> list[tuple[list[int], list[int]]]:
        """Return `num_rows` of (source ids, target ids), drawn from the phase's mixture; none needs a cut."""
        names, shares = zip(*phase.mixture, strict=True)
        rows: list[tuple[list[int], list[int]]] = []
        while len(rows) < num_rows:
            texts: list[tuple[str, str | None]] = []
            for name in rng.choices(names, shares, k=num_rows - len(rows)):
                if name == "span_corruption":
                    story = rng.choice(self.stories)
                    texts.append((excerpt(rng, story.text, phase.max_words), None))
                else:
                    texts.append(TASKS[name](rng, self, phase.max_words))
            sources = self.encode([source for source, _ in texts])
            targets = self.encode([target or "" for _, target in texts])
            for (_, target_text), source, target in zip(texts, sources, targets, strict=True):
                if len(source) > MAX_SOURCE_TOKENS:
                    continue  # what is asked for may stand beyond the cut: another is drawn
                if target_text is None:
                    assert self.first_sentinel is not None  # `tokenizer_files` puts it in
                    source, target = span_corruption(rng, source[:-1], self.first_sentinel)
                    source, target = [*source, EOS], [*target, EOS]
                rows.append((source, target))
        return rows

    def batch(self, recipe: Recipe, step: int) -> list[tuple[list[int], list[int]]]:
        """Return the rows of `step`; only the recipe and the step decide them, so any can be resumed."""
        index, step_of_phase = phase_at(recipe, step)
        phase = recipe.phases[index]
        pool, place = divmod(step_of_phase, POOL_BATCHES)
        rng = random.Random(f"{recipe.seed} {index} {pool}")
        rows = self.rows(rng, phase, phase.batch * POOL_BATCHES)
        rows.sort(key=lambda row: (len(row[0]), row))
        start = rng.sample(range(POOL_BATCHES), POOL_BATCHES)[place] * phase.batch
        return rows[start : start + phase.batch]


def phase_at(recipe: Recipe, step: int) -> tuple[int, int]:
    """Return the phase's index and the step within it."""
    for index, phase in enumerate(recipe.phases):
        if step < phase.steps:
            return index, step
        step -= phase.steps
    raise IndexError(f"step {step} lies beyond the last phase")


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of `step`: warm-up, then the phase's peak, in the end a line down to zero."""
    peak = recipe.phases[phase_at(recipe, step)[0]].learning_rate
    warm = (step + 1) / (recipe.warmup_steps + 1)
    left = (recipe.steps - step) / (recipe.steps * recipe.decay_share)
    return peak * min(warm, 1.0, left)


def model_config(recipe: Recipe, num_rows: int) -> T5Config:
    """Return the config as its `config.json` would hold it; num_rows: of the embedding."""
    return T5Config(  # type: ignore[call-arg]  # it passes on what all configs take
        architectures=["T5ForConditionalGeneration"],
        vocab_size=num_rows,
        d_model=recipe.d_model,
        d_kv=recipe.d_kv,
        d_ff=recipe.d_ff,
        num_heads=recipe.num_heads,
        num_layers=recipe.num_layers,
        num_decoder_layers=recipe.num_decoder_layers,
        feed_forward_proj="relu" if recipe.version == "v1.0" else "gated-gelu",
        tie_word_embeddings=recipe.version == "v1.0",  # sets scale_decoder_outputs alone, see below
        decoder_start_token_id=PAD,
        pad_token_id=PAD,
        eos_token_id=EOS,
        dtype="float32",
    )


def config_json(recipe: Recipe, config: T5Config) -> str:
    """Return `config` as compact JSON, its head said to be tied or not as it is.

    T5Config (transformers 5) forces `tie_word_embeddings` to true, whatever the head.
    """
    known = json.loads(config.to_json_string())
    known.pop("transformers_version", None)
    known["tie_word_embeddings"] = recipe.version == "v1.0"
    return json.dumps(known, sort_keys=True, separators=(",", ":"))


def new_model(recipe: Recipe, num_rows: int) -> T5ForConditionalGeneration:
    """Return the model before its first step; v1.1 with a head of its own."""
    torch.manual_seed(recipe.seed)
    model = T5ForConditionalGeneration(model_config(recipe, num_rows))
    if recipe.version == "v1.1":  # a config alone builds a tied model
        # It starts from the embedding, so that to copy a token need not be learned token by token.
        head = model.shared.weight.detach() * recipe.d_model**-0.5
        model.lm_head.weight = torch.nn.Parameter(head.clone())
    model.set_attn_implementation("eager")  # a tenth faster than sdpa, whose mask learns here and is no mask
    model.eval()  # no dropout, as T5 v1.1 was pre-trained
    return model


def padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """Return (rows, longest) ids, short rows filled up at their end."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])


def loss_of(model: Callable[..., Any], rows: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
    """Return the mean cross-entropy over the tokens of the targets."""
    sources = padded([source for source, _ in rows], PAD)
    labels = padded([target for _, target in rows], -100)
    loss: torch.Tensor = model(input_ids=sources, attention_mask=(sources != PAD).long(), labels=labels).loss
    return loss


def optimizers_for(model: torch.nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the layers' matrices and AdamW for the rest; a group has its `scale` of the rate.

    On 240 steps of short copying Muon took the loss to 1.9 where AdamW alone took it to 2.6 (both at 3e-3).
    A relative position bias has to grow to about 5 before a head looks at just one neighbour, for which AdamW
    at the common rate takes thousands of steps; and without such a head there is no copying.
    """
    rest, matrices, positions = [], [], []
    for name, parameter in model.named_parameters():
        if "relative_attention_bias" in name:
            positions.append(parameter)
        elif parameter.ndim == 2 and name not in ("shared.weight", "lm_head.weight"):
            matrices.append(parameter)
        else:
            rest.append(parameter)
    groups = [{"params": rest, "scale": 1.0}, {"params": positions, "scale": recipe.position_scale}]
    return [
        torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0),
        torch.optim.Muon(
            [{"params": matrices, "scale": 1.0}],
            lr=0.0,
            momentum=0.95,
            weight_decay=0.0,
            adjust_lr_fn="match_rms_adamw",
        ),
    ]


def train(
    name: str,
    recipe: Recipe,
    corpus: Corpus,
    checkpoint: Path,
    stop_before: int | None = None,
    bar: int = 0,
) -> tuple[T5ForConditionalGeneration, list[float]]:
    """Return the trained model and the loss of each step; go on from `checkpoint` if it is there.

    `stop_before` ends at a step as a kill would, but with a checkpoint: for tests. `bar` is the line of the
    progress bar, where several models train side by side.
    """
    model = new_model(recipe, corpus.tokenizer.get_vocab_size() + NUM_SPARE_ROWS)
    optimizers = optimizers_for(model, recipe)
    forward = torch.compile(model, dynamic=True) if recipe.compiled else model
    losses: list[float] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved_state in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved_state)
        losses = state["losses"]
        log.info("%s: goes on at step %d of %d", name, len(losses), recipe.steps)

    def save() -> None:
        state = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "losses": losses,
        }
        with whole(checkpoint) as partial:
            torch.save(state, partial)

    last = recipe.steps if stop_before is None else stop_before
    saved = time.monotonic()
    for step in progress(name, range(len(losses), last), recipe.steps, losses, bar):
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = learning_rate(recipe, step) * group["scale"]
        loss = loss_of(forward, corpus.batch(recipe, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save()
            saved = time.monotonic()
    save()
    return model, losses


def progress(name: str, steps: range, total: int, losses: Sequence[float], place: int) -> Iterator[int]:
    """Yield `steps`, showing rate and time left: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with tqdm(steps, name, total, initial=steps.start, unit="step", position=place) as bar:
            for step in bar:
                yield step
                bar.set_postfix(loss=f"{recent(losses):.3f}", refresh=False)
        return
    started = said = time.monotonic()
    for step in steps:
        yield step
        now = time.monotonic()
        if now - said > LOG_SECONDS or step + 1 == steps.stop:
            rate = (step + 1 - steps.start) / (now - started)
            left = (total - step - 1) / rate
            text = "%s: step %d/%d, loss %.3f, %.1f steps/s, %.0f s left"
            log.info(text, name, step + 1, total, recent(losses), rate, left)
            said = now


def recent(losses: Sequence[float]) -> float:
    """Return the mean of the last 50 losses."""
    return sum(losses[-50:]) / len(losses[-50:])


def fingerprint(recipe: Recipe, corpus: Corpus) -> str:
    """Return what a checkpoint is good for: this recipe, code, news, vocabulary, torch and thread count."""
    made = hashlib.sha256(repr((recipe, torch.__version__, NUM_THREADS)).encode())
    made.update(Path(__file__).read_bytes())
    made.update(repr(corpus.stories).encode())
    made.update(corpus.tokenizer.to_str().encode())
    return made.hexdigest()[:16]


# ---- what a model can do ----------------------------------------------------------------------------


def answers(model: T5ForConditionalGeneration, corpus: Corpus, prompts: Sequence[str]) -> list[str]:
    """Return the model's greedy answer to each prompt, in their order."""
    made = []
    for start in range(0, len(prompts), 40):
        cut = MAX_SOURCE_TOKENS - 1
        ids = [[*prompt[:-1][:cut], EOS] for prompt in corpus.encode(prompts[start : start + 40])]
        sources = padded(ids, PAD)
        written: Any = model.generate(  # type: ignore[misc]  # its mixin asks for another self
            input_ids=sources,
            attention_mask=(sources != PAD).long(),
            max_new_tokens=24,
            do_sample=False,
        )
        made += corpus.tokenizer.decode_batch(written.tolist(), skip_special_tokens=True)
    return made


def kind_of(cue: str, answer: str) -> str:
    """Return who, number (amounts and dates) or other.

    >>> kind_of("¿A quién citó el juez?", "Ana Ruiz"), kind_of("¿Cuándo empieza?", "5 de mayo")
    ('who', 'number')
    """
    if any(letter.isdigit() for letter in answer):
        return "number"
    return "who" if "quién" in cue.lower() else "other"


def exact_percent(
    model: T5ForConditionalGeneration, corpus: Corpus, stories: Sequence[news.Story]
) -> dict[str, tuple[int, float]]:
    """Return for all questions, and for each kind, how many were asked and the % answered exactly.

    The answer expected is the one that the vocabulary can spell.
    """
    asked = [(story, *pair) for story in stories for pair in story.questions]
    template = TEMPLATES["question"][0]
    prompts = [template.replace("{cue}", cue).replace("{text}", story.text) for story, cue, _ in asked]
    spelled = [encoding.ids for encoding in corpus.tokenizer.encode_batch([row[-1] for row in asked])]
    expected = corpus.tokenizer.decode_batch(spelled, skip_special_tokens=True)
    right: dict[str, list[bool]] = {kind: [] for kind in ("all", "who", "number", "other")}
    made = answers(model, corpus, prompts)
    for (_, cue, answer), given, wanted in zip(asked, made, expected, strict=True):
        right["all"].append(given == wanted)
        right[kind_of(cue, answer)].append(given == wanted)
    return {kind: (len(was), round(100 * sum(was) / max(1, len(was)), 1)) for kind, was in right.items()}


# ---- shipping ---------------------------------------------------------------------------------------


def shipped_tensors(
    model: T5ForConditionalGeneration, recipe: Recipe
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the weights in bf16 under the names that `save_pretrained` writes, and the file's metadata."""
    tensors = {
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("embed_tokens.weight")
        and not (name == "lm_head.weight" and recipe.version == "v1.0")
    }
    return tensors, {"format": "pt", "config": config_json(recipe, model.config)}


def safetensors_bytes(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """Return a safetensors file; the library writes two metadata keys in an order of chance."""
    made = save(tensors)
    length = int.from_bytes(made[:8], "little")
    header = {"__metadata__": metadata, **json.loads(made[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data at a multiple of 8
    return len(text).to_bytes(8, "little") + text + made[8 + length :]


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content`, under its name only once it is whole."""
    with whole(path) as partial:
        partial.write_bytes(content)


def curve(losses: Sequence[float], points: int) -> list[tuple[int, float]]:
    """Return (step, mean loss since the point before), in at most `points` points.

    >>> curve([4.0, 2.0, 1.0, 1.0], points=2)
    [(2, 3.0), (4, 1.0)]
    """
    stops = sorted({len(losses) * (point + 1) // points for point in range(points)} - {0})
    starts = [0, *stops[:-1]]
    return [
        (stop, round(sum(losses[start:stop]) / (stop - start), 3))
        for start, stop in zip(starts, stops, strict=True)
    ]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shape_of(path: Path) -> dict[str, int]:
    """Return the parameters and bytes of a shipped model."""
    with safe_open(path, "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 (no mapping)
    return {"parameters": sum(math.prod(shape) for shape in shapes), "bytes": path.stat().st_size}


def lengths_of(corpus: Corpus, stories: Sequence[news.Story]) -> dict[str, float]:
    """Return the 5th, 50th and 95th percentile of tokens an article, and the % of articles cut."""
    lengths = sorted(len(story) for story in corpus.tokenizer.encode_batch([s.text for s in stories]))
    at = {f"p{share}": lengths[len(lengths) * share // 100] for share in (5, 50, 95)}
    cut = sum(length > MAX_SOURCE_TOKENS for length in lengths)
    return {**at, "cut_pct": round(100 * cut / len(lengths), 1)}


README = """\
# The embedded miniatures

Written by `python -m stages.miniatures`; do not edit. Small T5s that stand in for the real checkpoints
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
T5's own vocabulary, digits apart, and lacks, as T5's does, `{hole}`.
Tokens an article: {p5} (5 %), {p50} (median), {p95} (95 %); {cut_pct} % are longer than {source_tokens}.

`tokenizer.json`: sha256 `{vocabulary_sha256}`
`tokenizer_config.json`: sha256 `{config_sha256}`

## Again

`python -m stages.miniatures` makes the same bytes on the same machine with the same torch, and a killed
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
    """Return README.md: what was made, from what, and how well it learned."""
    vocabulary, models = record["vocabulary"], record["models"]
    sizes, exact, losses, phases = [], [], [], []
    kinds = ("all", "who", "number", "other")
    for name, made in models.items():
        shape = [made[key] for key in ("version", "d_model", "layers")]
        numbers = [f"{made[key]:,}" for key in ("parameters", "bytes", "steps")]
        sizes.append((name, *shape, *numbers, f"`{made['sha256']}`"))
        exact.append((name, *(f"{made['exact_pct'][kind][1]} %" for kind in kinds)))
        losses.append((name, ", ".join(f"{step}: {loss}" for step, loss in made["curve"])))
        for phase in made["phases"]:
            tasks = ", ".join(f"{task} {share}" for task, share in phase["mixture"])
            numbers = [phase[key] for key in ("max_words", "steps", "batch", "learning_rate")]
            phases.append((name, tasks, *numbers))
        asked = ("(asked)", *(made["exact_pct"][kind][0] for kind in kinds))
    head = ("model", "version", "width", "layers", "parameters", "bytes", "steps", "sha256")
    return README.format(
        question=TEMPLATES["question"][0],
        sizes=table(head, *sizes),
        num_held_out=NUM_HELD_OUT_STORIES,
        exact=table(("model", *kinds), asked, *exact),
        losses=table(("model", "step: loss"), *losses),
        phases=table(("model", "tasks", "words of text", "steps", "rows a step", "peak rate"), *phases),
        pieces=vocabulary["pieces"],
        sentinels=NUM_SENTINELS,
        spare=NUM_SPARE_ROWS,
        hole=" ".join(HOLE),
        **vocabulary["tokens_per_article"],
        source_tokens=MAX_SOURCE_TOKENS,
        vocabulary_sha256=vocabulary["sha256"],
        config_sha256=vocabulary["config_sha256"],
        threads=NUM_THREADS,
    )


def summary_of(
    path: Path, recipe: Recipe, losses: Sequence[float], exact: dict[str, tuple[int, float]], vocabulary: str
) -> dict[str, Any]:
    """Return what README.md says of a model."""
    return {
        "version": recipe.version,
        "d_model": recipe.d_model,
        "layers": f"{recipe.num_layers} + {recipe.num_decoder_layers}",
        **shape_of(path),
        "steps": recipe.steps,
        "sha256": sha256(path),
        "vocabulary": vocabulary,
        "exact_pct": exact,
        "curve": curve(losses, CURVE_POINTS),
        "phases": [asdict(phase) for phase in recipe.phases],
    }


def make_vocabulary(folder: Path) -> None:
    """Write the tokenizer's files."""
    log.info("vocabulary: %d pieces from %d stories", NUM_PIECES, NUM_VOCABULARY_STORIES)
    for name, text in tokenizer_files(*train_unigram(vocabulary_lines(), NUM_PIECES)).items():
        write_bytes(folder / name, text.encode())


def read_corpus(folder: Path) -> Corpus:
    """Return what to train on, with the vocabulary in `folder`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Corpus(news.stories(NUM_TRAINING_STORIES, TRAINING_SEED), tokenizer)


def end_with_parent() -> None:
    """End this worker when the process that started it has ended, however that came about."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def settle() -> None:
    """Make torch repeat itself, in this process: same machine, same bytes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    torch.set_num_threads(NUM_THREADS)
    torch.use_deterministic_algorithms(True)


def make_model(name: str, folder: Path, bar: int) -> dict[str, Any]:
    """Train a model, write it, and return what README.md says of it."""
    recipe, corpus = RECIPES[name], read_corpus(folder)
    checkpoint = CACHE / f"{name}-{fingerprint(recipe, corpus)}.pt"
    model, losses = train(name, recipe, corpus, checkpoint, bar=bar)
    path = folder / f"{name}.safetensors"
    write_bytes(path, safetensors_bytes(*shipped_tensors(model, recipe)))
    exact = exact_percent(model, corpus, news.stories(NUM_HELD_OUT_STORIES, HELD_OUT_SEED))
    log.info("%s: loss %.3f, questions answered exactly: %s", name, recent(losses), exact)
    return summary_of(path, recipe, losses, exact, sha256(folder / "tokenizer.json"))


def vocabulary_record(folder: Path) -> dict[str, Any]:
    """Return what README.md says of the vocabulary."""
    corpus = read_corpus(folder)
    return {
        "pieces": corpus.tokenizer.get_vocab_size() - NUM_SENTINELS,
        "sha256": sha256(folder / "tokenizer.json"),
        "config_sha256": sha256(folder / "tokenizer_config.json"),
        "tokens_per_article": lengths_of(corpus, news.stories(NUM_HELD_OUT_STORIES, HELD_OUT_SEED)),
    }


def main() -> None:
    arguments = parser(__doc__, "python -m stages.miniatures flan-small")
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

    make_vocabulary(SHIPPED)
    path = SHIPPED / "training.json"
    record = read_json(path) if path.exists() else {"models": {}}
    record["vocabulary"] = vocabulary_record(SHIPPED)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=spawn, initializer=settle) as pool:
        by_steps = sorted(names, key=lambda name: -RECIPES[name].steps)  # the longest first
        making = {pool.submit(make_model, name, SHIPPED, bar): name for bar, name in enumerate(by_steps)}
        for made in as_completed(making):
            record["models"][making[made]] = made.result()
            record["models"] = {name: record["models"][name] for name in RECIPES if name in record["models"]}
            write_json(path, record)
            write_bytes(SHIPPED / "README.md", readme(record).encode())
    for name, model in record["models"].items():
        if model["vocabulary"] != record["vocabulary"]["sha256"]:
            log.warning(
                "%s: trained with another vocabulary; run python -m stages.miniatures %s",
                name,
                name,
            )


if __name__ == "__main__":
    run(main)
