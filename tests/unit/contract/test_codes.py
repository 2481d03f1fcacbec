"""Every code explains itself to a person."""

import msgspec
import pytest

from sfu.contract.codes import SENTENCES, Code
from sfu.contract.signals import closed, refused, sentence


@pytest.mark.parametrize("code", Code)
def test_a_code_has_a_sentence(code: Code) -> None:
    assert SENTENCES[code].endswith(".")
    assert SENTENCES[code][0].isupper()


def test_a_code_of_a_later_version_is_read_as_unknown() -> None:
    assert msgspec.json.decode(b'"out_of_cheese"', type=Code) is Code.UNKNOWN
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"7", type=Code)


def test_no_sentence_is_left_over() -> None:
    assert set(SENTENCES) == set(Code)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_detail_follows_the_sentence() -> None:
    assert sentence(Code.FORBIDDEN, "publishing camera") == (
        "The ticket does not allow this. (publishing camera)"
    )
    assert refused(Code.FORBIDDEN, id=3, detail="why").message.endswith("(why)")
    assert refused(Code.FORBIDDEN).id is None
    assert closed(Code.ROOM_CLOSED).message == SENTENCES[Code.ROOM_CLOSED]
    assert closed(Code.TOO_SLOW, "resume").retry == "resume"
