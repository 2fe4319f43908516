"""Spelling: what T5's vocabulary cannot write, found by frequency; ids and texts as transformers has them."""

import json
from collections import Counter
from itertools import chain
from random import Random

import pytest
from transformers import AutoTokenizer

from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.vocabulary.spelling import (
    SPANISH_LETTERS,
    add_letters,
    base_letter,
    count_letters,
    unknown_letters,
)
from resumen.vocabulary.tokenizer import (
    chunks,
    decode,
    encode,
    load_tokenizer,
    normalized_text,
    read_tokenizer,
    round_trip,
    truncate,
)

TEXTS = [
    "Llueve en Logroño.",
    "¿Dónde está la niña? ¡Aquí, según Íñigo!",
    "",
    "Resume el siguiente articulo:\n\nEl  agua\tcorre… «sí» <extra_id_0> ½ ª",
    " con blancos al final \n",
    "\n",
]


@pytest.fixture(scope="module")
def tokenizer(vocabulary):
    return load_tokenizer(vocabulary)


CUTS = [
    ([7, 8, 9, 1], 4, [7, 8, 9, 1]),
    ([7, 8, 9, 1], 9, [7, 8, 9, 1]),
    ([7, 8, 9, 1], 3, [7, 8, 1]),
    ([7, 8, 9, 1], 1, [1]),
    ([1], 1, [1]),
]


@pytest.mark.parametrize(("ids", "max_tokens", "expected"), CUTS)
def test_a_cut_keeps_the_end_of_sequence_last(ids, max_tokens, expected):
    assert truncate(ids, max_tokens) == expected


@pytest.mark.parametrize("max_tokens", [1, 2, 5, 12, 512])
def test_ids_are_those_of_autotokenizer_with_truncation(vocabulary, tokenizer, max_tokens):
    theirs = AutoTokenizer.from_pretrained(vocabulary)(TEXTS, max_length=max_tokens, truncation=True)
    assert [truncate(ids, max_tokens) for ids in encode(tokenizer, TEXTS)] == theirs.input_ids


def test_ids_are_those_of_autotokenizer_for_odd_white_space_and_signs(vocabulary, tokenizer):
    draw, signs = Random(1), "abñí¿  \n\t.«0½ª…\u0303\u200b\u00a0\x07😀Ω"
    texts = ["".join(draw.choices(signs, k=length)) for length in range(12) for _ in range(50)]
    assert encode(tokenizer, texts) == AutoTokenizer.from_pretrained(vocabulary)(texts).input_ids


def test_texts_are_those_of_autotokenizer(vocabulary, tokenizer):
    rows = encode(tokenizer, TEXTS)
    theirs = AutoTokenizer.from_pretrained(vocabulary).batch_decode(rows, skip_special_tokens=True)
    assert decode(tokenizer, rows) == [text.strip() for text in theirs]


def test_the_shipped_vocabulary_has_t5s_hole(tokenizer):
    assert round_trip(tokenizer, ["El niño según España"]) == ["El nio segn Espaa"]
    missing = {letter for letter in "áéíóúüñÁÉÍÓÚÜÑ¿¡«»–—“”€" if tokenizer.token_to_id(letter) is None}
    assert missing == set("íúñÁÍÓÚÑ¿¡") == set(SPANISH_LETTERS)


def unknown(tokenizer, texts, min_count):
    return unknown_letters(tokenizer, count_letters(tokenizer, texts), min_count)


def test_letters_are_counted_as_the_tokenizer_sees_them(tokenizer):
    draw, whole = Random(2), ["a", "ñ", "n\u0303", "E\u0301", *"½ª…Ω😀 \n\x07\u200b"]
    texts = ["".join(draw.choices(whole, k=draw.randrange(40))) for _ in range(3_000)]
    counts, slowly = count_letters(tokenizer, texts), Counter()
    for text in texts:
        slowly.update(normalized_text(tokenizer, text))
    for seen in (counts, slowly):
        for blank in " \n":
            seen.pop(blank, None)
    assert counts == slowly


def test_unknown_letters_come_most_frequent_first(tokenizer):
    texts = ["ñandú", "ñoño", "sí", "año \u200b\x07"]  # a zero-width space and a control character
    spanish = ["ñ", "í", "ú", *"¡¿ÁÍÑÓÚ"]
    assert unknown(tokenizer, texts, 1) == spanish
    strange = ["λ ΩΩΩ", "ЖЖ ΩΩΩ"]
    assert unknown(tokenizer, texts + strange, 1) == [*spanish, "Ω", "Ж", "λ"]
    assert unknown(tokenizer, texts + strange, 2) == [*spanish, "Ω", "Ж"]


@pytest.mark.parametrize("texts", [[], ["", "Llueve en Madrid."]])
@pytest.mark.parametrize("min_count", [1, 100])
def test_the_letters_of_spanish_are_there_though_no_text_has_them(tokenizer, texts, min_count):
    assert unknown(tokenizer, texts, min_count) == sorted("íúñÁÍÓÚÑ¿¡")


def test_a_letter_of_spanish_that_has_a_piece_gets_no_second_one(vocabulary, tmp_path):
    content = add_letters(read_json(vocabulary / "tokenizer.json"), ["ñ", "¿"], -12.0)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    assert unknown(load_tokenizer(tmp_path), ["ñ"], 1) == sorted("íúÁÍÓÚÑ¡")


def test_a_letter_added_to_the_model_round_trips_inside_words(vocabulary, tmp_path):
    content = json.loads((vocabulary / "tokenizer.json").read_text(encoding="utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(add_letters(content, list("ñí"), -12.0)), "utf-8")
    repaired = load_tokenizer(tmp_path)
    assert round_trip(repaired, ["España, sí; según"]) == ["España, sí; segn"]
    assert repaired.token_to_id("ñ") == len(content["model"]["vocab"])


# Lost in NFKC and white space, not in the vocabulary.
FOLDED = [("a\n\nb", "a b"), ("  a ", "a"), ("1ª", "1a"), ("ya…", "ya..."), ("n\u0303", "ñ")]


@pytest.mark.parametrize(("text", "expected"), FOLDED)
def test_folded_is_what_the_tokenizer_sees(tokenizer, text, expected):
    assert normalized_text(tokenizer, text) == expected


BASES = [("ñ", "n"), ("Í", "I"), ("ú", "u"), ("¿", "?"), ("¡", "!"), ("~", None), ("×", None), ("<", None)]


@pytest.mark.parametrize(("letter", "expected"), BASES)
def test_a_letter_starts_from_its_base_letter(letter, expected):
    assert base_letter(letter) == expected


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6])
def test_chunks_are_all_items_in_order(count):
    lists = list(chunks(range(count), 5))
    assert list(chain.from_iterable(lists)) == list(range(count))
    assert all(len(chunk) == 5 for chunk in lists[:-1])


def test_a_folder_without_tokenizer_json_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"tokenizer\.json: not found; a model folder needs"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_comes_with_what_its_file_holds(vocabulary):
    content, tokenizer = read_tokenizer(vocabulary)
    assert content == read_json(vocabulary / "tokenizer.json")
    assert tokenizer.to_str() == load_tokenizer(vocabulary).to_str()
    assert tokenizer.get_vocab_size() == len(content["model"]["vocab"])


def test_a_tokenizer_that_does_not_end_its_sequences_is_refused(vocabulary, tmp_path):
    content = json.loads((vocabulary / "tokenizer.json").read_text(encoding="utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "post_processor": None}), "utf-8")
    with pytest.raises(InputError, match="expected a T5 tokenizer, which ends its sequences with </s>"):
        load_tokenizer(tmp_path)


BROKEN = [
    ('{"model": {"type": "Unigram", "vo', "not JSON: "),
    ("[" * 100_000, "not JSON: "),
    ("[]", "expected T5's kind of vocabulary, Unigram"),
    ('{"model": 3}', "expected T5's kind of vocabulary, Unigram"),
    (
        '{"model": {"type": "BPE", "vocab": {}, "merges": []}}',
        "expected T5's kind of vocabulary, Unigram",
    ),
]


@pytest.mark.parametrize(("content", "message"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_tokenizer_or_one_of_another_kind_is_refused(tmp_path, content, message):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_tokenizer(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'tokenizer.json'}: {message}")
