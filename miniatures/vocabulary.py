"""Vocabulary: the pieces of a Unigram model that lacks the letters that T5's lacks."""

import io
import random
from collections.abc import Iterator

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from miniatures.templates import TASK_TEMPLATES, fill_template
from resumen.news.stories import VOCABULARY_SEED, stories

MISSING_LETTERS = "íúñÁÍÓÚÑ¿¡"  # the letters of Spanish that T5's vocabulary lacks
# Every character that is a piece of T5's own vocabulary, in its order, the word mark apart.
# Source: spiece.model, sha256 d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86.
T5_CHARACTERS = (
    "X.,sa:et-’idn'olmr!?)ycuà/făp–hb;\"gS”ékz&AIvwxCBD—MPj2FTELKRYGW31VHN\u00ad4(0OJ“5_]876Zș+Uü9şâ%®@еqäö*°о"
    "Q=аиá>$€ţîу»ț#óè‘ßсд[млвктÉн«êрç|ôûÎÜ′£ù„•"
)
NUM_VOCABULARY_STORIES = 4_000
NUM_PIECES = 1_200  # `<pad>`, `</s>`, `<unk>` included, sentinels not
NUM_SENTINELS = 100
NUM_SPARE_ROWS = 28  # of the embedding, beyond the vocabulary, as in T5
PAD, EOS, UNK = 0, 1, 2

ENGLISH_LINES = """\
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
    for templates in TASK_TEMPLATES.values():
        for template in templates:
            yield fill_template(template, text="", cue="")
    yield "Resume el siguiente articulo: Conversación: [Usuario] [Asistente]"
    yield "Texto: Pregunta: Respuesta: Resumen: Sentimiento: positivo negativo neutro Reseña:"


def vocabulary_lines() -> Iterator[str]:
    """Yield the words that the vocabulary is trained on, shuffled.

    Sentencepiece takes its first candidates from strings that occur in more than one context. In a generated
    sentence a word may always have the same neighbours, and would be no candidate at all.
    """
    lines = []
    for story in stories(NUM_VOCABULARY_STORIES, VOCABULARY_SEED):
        lines += [story.text, story.title, story.summary]
        lines += [f"{question} {answer}" for question, answer in story.questions]
    for _ in range(4):  # enough that frequent English words become pieces
        lines += [*ENGLISH_LINES.splitlines(), *template_lines()]
    words = [word for line in lines for word in line.split()]
    random.Random(VOCABULARY_SEED).shuffle(words)
    for start in range(0, len(words), 50):
        yield " ".join(words[start : start + 50])


def train_unigram(lines: Iterator[str], num_pieces: int) -> tuple[list[tuple[str, float]], bytes]:
    """Return at most `num_pieces` pieces with scores, T5's special ones first, and the normalizer's map.

    The letters of MISSING_LETTERS are user symbols while training: they cut words as an unknown letter does,
    nothing is learned across them, and they are left out of what comes back.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type="unigram",
        vocab_size=num_pieces - 10 + len(MISSING_LETTERS),
        hard_vocab_limit=False,  # a small text has fewer
        normalization_rule_name="nmt_nfkc",
        user_defined_symbols=list(MISSING_LETTERS),
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
    trained = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is imported
    trained.ParseFromString(model.getvalue())
    charsmap = trained.normalizer_spec.precompiled_charsmap
    scores = {piece.piece: piece.score for piece in trained.pieces if piece.piece not in MISSING_LETTERS}
    # A number is one piece a digit, its first with the word mark, so that no piece of it means nothing.
    scores |= {f"▁{digit}": scores[digit] for digit in "0123456789"}
    return list(scores.items()), charsmap
