"""Memory from batch to batch: one mapping serves all, and no tensor loses what it holds."""

import sys

import pytest
import torch

from resumen.model.decoding import encode_prompts, generate_in_batches, make_generate
from resumen.model.device import memory_errors
from resumen.model.loading import load_t5
from resumen.model.pages import Pages
from resumen.runtime.errors import InputError
from resumen.schema.rows import load_table
from resumen.schema.sections import Decoding
from resumen.training.finetuning import Validation
from resumen.training.loop import TokenizedRows
from resumen.vocabulary.tokenizer import load_tokenizer
from tests.helpers.batches import TOKENIZER, TRAIN

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the heap gives the memory elsewhere")


@pytest.fixture
def mapped(monkeypatch):
    """The mappings that batches were given, in order."""
    result, resized = [], Pages.resized

    def remember(pages, size):
        result.append(resized(pages, size))
        return result[-1]

    monkeypatch.setattr(Pages, "resized", remember)
    return result


@pytest.mark.parametrize("num_beams", [1, 4])
def test_all_batches_of_a_generation_have_the_same_memory(tiny, mapped, num_beams):
    t5, tokenizer = load_t5(tiny["untied"], torch.float32, CPU), load_tokenizer(tiny["untied"])
    ids, _ = encode_prompts(tokenizer, ["Llueve en Soria. " * number for number in range(1, 9)], None)
    decoding = Decoding(max_new_tokens=5, num_beams=num_beams, length_penalty=1.0, no_repeat_ngram_size=0)
    generate_in_batches(ids, make_generate(t5, decoding), 2, "test")
    assert len(mapped) > 2
    assert all(pages is mapped[0] for pages in mapped)


def test_all_batches_of_a_validation_have_the_same_memory(tiny, tokenized, quick, mapped):
    rows = TokenizedRows(load_table(TRAIN).slice(0, 40))
    references = dict.fromkeys(rows.ids, "x")
    params = quick(batch_size=1, max_new_tokens=2)
    validation = Validation(rows, references, load_tokenizer(TOKENIZER), params)
    validation(load_t5(tiny["untied"], torch.float32, CPU))
    assert len(mapped) > 2
    assert all(pages is mapped[0] for pages in mapped)


def test_memory_grows_and_shrinks_with_what_it_holds():
    pages = Pages()
    for count in (5_000, 90_000, 3, 90_000):
        numbers = pages.empty(count, torch.bfloat16, CPU).fill_(count)
        assert numbers.shape == (count,)
        del numbers
        assert len(pages.mapped) == 2 * count


def test_a_tensor_in_use_keeps_its_memory():
    pages = Pages()
    view = pages.empty(6_000, torch.float32, CPU).fill_(7)[3_000:]
    other = pages.empty(6_000, torch.float32, CPU).fill_(8)
    assert view.unique().tolist() == [7]
    assert other.unique().tolist() == [8]


def test_memory_that_cannot_be_had_is_told():
    message = r"batch_size: out of memory: 1048576\.00 GiB more were asked for"
    with pytest.raises(InputError, match=message), memory_errors("batch_size", 8):
        Pages().empty(2**50, torch.uint8, CPU)
