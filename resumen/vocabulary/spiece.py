"""A tokenizer made of a spiece.model, where a repository has that alone: what AutoTokenizer makes of it."""

from pathlib import Path

from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import Unigram
from tokenizers.normalizers import Precompiled
from tokenizers.processors import TemplateProcessing

from resumen.runtime.errors import InputError
from resumen.runtime.files import read_bytes
from resumen.vocabulary.tokenizer import EOS, become_t5

UNIGRAM = 1  # TrainerSpec.ModelType
CONTROL_PIECE, USER_DEFINED = 3, 4  # SentencePiece.Type


def tokenizer_of(path: Path, extra_ids: int = 100) -> Tokenizer:
    """Return the tokenizer of a spiece.model: its pieces, their scores, its normalization, and `extra_ids`.

    These, the sentinels of span corruption, stand behind its pieces, the last one first.

    Raises:
        InputError: it is no sentencepiece model of the Unigram kind, or has no </s>.
    """
    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is imported
    try:
        proto.ParseFromString(read_bytes(path))
    except DecodeError as error:
        raise InputError(f"{path}: not readable as a sentencepiece model; fetch it again") from error
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    names = [name for name, _ in pieces]
    if proto.trainer_spec.model_type != UNIGRAM or EOS not in names or len(set(names)) < len(names):
        raise InputError(f"{path}: expected T5's kind of vocabulary, Unigram with {EOS}; take a T5's")
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(extra_ids))]
    if twice := [name for name in sentinels if name in names]:
        raise InputError(
            f"{path}: {twice[0]}: is a piece already, and tokenizer_config.json says extra_ids {extra_ids}; "
            "set it to 0 there"
        )
    unk = proto.trainer_spec.unk_id
    tokenizer = Tokenizer(Unigram([*pieces, *((name, 0.0) for name in sentinels)], unk_id=unk))
    charsmap = proto.normalizer_spec.precompiled_charsmap
    become_t5(tokenizer, Precompiled(charsmap) if charsmap else None)
    end = [(EOS, names.index(EOS))]
    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A {EOS} $B {EOS}", special_tokens=end
    )
    special = [piece.piece for piece in proto.pieces if piece.type == CONTROL_PIECE]
    user_defined = [piece.piece for piece in proto.pieces if piece.type == USER_DEFINED]
    tokenizer.add_special_tokens(
        [AddedToken(name, normalized=False, special=True) for name in [*special, names[unk], *sentinels]]
    )
    tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in user_defined])
    return tokenizer
