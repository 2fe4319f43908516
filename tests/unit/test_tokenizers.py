"""Tokenizers of others: every layout gives the ids that transformers' AutoTokenizer gives."""

import json
import shutil
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import AutoTokenizer

from resumen.news.stories import stories
from resumen.runtime.errors import InputError
from resumen.schema.sections import TokenizeParams
from resumen.vocabulary.spiece import tokenizer_of
from resumen.vocabulary.tokenizer import decode, encode, load_tokenizer
from stages.tokenize import repair

ODD = [
    "  dos  espacios  ",
    "ﬁn ½ 2.345,6 €… «n\u0303»",
    "a\tb\r\nc \u200bd\u00a0e",
    "¿Qué?¡No!(sí)—1998-2004",
    "</s> <pad> <extra_id_0> <unk>",
    "",
]
CLASSES = (
    *(None, "T5Tokenizer", "T5TokenizerFast", "MT5Tokenizer"),
    *("PreTrainedTokenizerFast", "TokenizersBackend"),
)


@pytest.fixture(scope="module")
def texts():
    """1,000 made-up articles, each with something odd behind it."""
    whole = [story.text for story in stories(1_000, 77)]
    return ODD + [f"{text}{ODD[number % len(ODD)]}" for number, text in enumerate(whole)]


def flax(vocabulary: Path) -> Tokenizer:
    """Return a tokenizer as the Flax examples made them: no sentencepiece map, digits and signs apart."""
    content = json.loads((vocabulary / "tokenizer.json").read_text(encoding="utf-8"))
    made = Tokenizer(Unigram([tuple(piece) for piece in content["model"]["vocab"]], unk_id=2))
    made.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(),
        ]
    )
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    sentinels = [f"<extra_id_{number}>" for number in range(100)]
    made.add_special_tokens(["<pad>", "</s>", "<unk>", *sentinels])
    return made


def folder_of(path: Path, model_type: str, kind: str | None, tiny: dict[str, Path]) -> Path:
    """Write what else a model's folder says of its tokenizer."""
    config = json.loads((tiny["untied"] / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = model_type
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    own = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    own |= {} if kind is None else {"tokenizer_class": kind}
    (path / "tokenizer_config.json").write_text(json.dumps(own), encoding="utf-8")
    return path


@pytest.mark.parametrize("model_type", ["t5", "mt5", "umt5"])
@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("layout", ["t5", "flax"])
def test_ids_are_those_of_autotokenizer(tmp_path, vocabulary, tiny, texts, layout, kind, model_type):
    if layout == "t5":
        shutil.copyfile(vocabulary / "tokenizer.json", tmp_path / "tokenizer.json")
    else:
        flax(vocabulary).save(str(tmp_path / "tokenizer.json"))
    folder = folder_of(tmp_path, model_type, kind, tiny)
    some = texts if kind in (None, "PreTrainedTokenizerFast") else texts[:50]
    assert encode(load_tokenizer(folder), some) == AutoTokenizer.from_pretrained(folder)(some).input_ids


@pytest.mark.parametrize("model_type", ["t5", "mt5"])
@pytest.mark.parametrize("extra_ids", [100, 0])
def test_a_spiece_model_alone_gives_the_tokenizer_of_autotokenizer(
    tmp_path, spiece, tiny, texts, model_type, extra_ids
):
    shutil.copyfile(spiece, tmp_path / "spiece.model")
    folder = folder_of(tmp_path, model_type, "T5Tokenizer", tiny)
    path = folder / "tokenizer_config.json"
    given = json.loads(path.read_text(encoding="utf-8")) | {"extra_ids": extra_ids}
    path.write_text(json.dumps(given), encoding="utf-8")
    theirs = AutoTokenizer.from_pretrained(folder)
    tokenizer_of(spiece, extra_ids).save(str(folder / "tokenizer.json"))
    ours = load_tokenizer(folder)
    ids = theirs(texts).input_ids
    assert encode(ours, texts) == ids
    assert decode(ours, ids) == [text.strip() for text in theirs.batch_decode(ids, skip_special_tokens=True)]


def test_pieces_scores_and_normalization_are_those_of_sentencepiece(spiece, texts):
    theirs, ours = SentencePieceProcessor(model_file=str(spiece)), tokenizer_of(spiece, 0)
    vocabulary = json.loads(ours.to_str())["model"]["vocab"]
    assert vocabulary == [[theirs.id_to_piece(id_), theirs.get_score(id_)] for id_ in range(len(theirs))]
    plain = [text for text in texts if "<" not in text]  # special pieces are text to sentencepiece
    assert encode(ours, plain) == [[*row, 1] for row in theirs.encode(plain)]


def test_what_is_no_sentencepiece_model_is_refused(tmp_path, spiece):
    whole = spiece.read_bytes()
    for content, message in (
        (b"no model", "not readable as a sentencepiece model; fetch it again"),
        (whole[: len(whole) // 2], "not readable as a sentencepiece model; fetch it again"),
        (b"", "expected T5's kind of vocabulary, Unigram with </s>; take a T5's"),
    ):
        (tmp_path / "spiece.model").write_bytes(content)
        with pytest.raises(InputError, match=message):
            tokenizer_of(tmp_path / "spiece.model")


@pytest.mark.parametrize("kind", ["T5Tokenizer", None])
@pytest.mark.parametrize("model_type", ["t5", "umt5"])
def test_what_is_trained_on_is_what_the_base_reads(tmp_path, vocabulary, tiny, texts, kind, model_type):
    """The tokenizer of a fine-tuning has no config.json beside it, the model that carries it has one."""
    (tmp_path / "base").mkdir()
    flax(vocabulary).save(str(tmp_path / "base/tokenizer.json"))
    base = folder_of(tmp_path / "base", model_type, kind, tiny)
    params = TokenizeParams.model_construct(spell_spanish=False, letter_score=-12.0)
    repair(base, tmp_path / "tokenizer", params)
    expected = encode(load_tokenizer(base), texts[:50])
    assert encode(load_tokenizer(tmp_path / "tokenizer"), texts[:50]) == expected
    shutil.copyfile(base / "config.json", tmp_path / "tokenizer/config.json")  # as in the model
    assert encode(load_tokenizer(tmp_path / "tokenizer"), texts[:50]) == expected
    assert AutoTokenizer.from_pretrained(tmp_path / "tokenizer")(texts[:50]).input_ids == expected
