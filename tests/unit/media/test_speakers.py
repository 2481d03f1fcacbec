"""Who is heard: the loudest, without a cough cutting a sentence. Time is a number here."""

from collections.abc import Mapping

import pytest

from sfu.media.speakers import (
    AUDIO_LEVEL,
    DOMINANCE_HOLD_S,
    HOLD_S,
    SPEAKING,
    SPEAKING_HOLD_S,
    Speakers,
    Voice,
)
from tests.unit.rtp import wire

SILENT, QUIET, NORMAL, LOUD = 127, 60, 40, 20
"""Levels in -dBov as RFC 6464 has them."""


class Hall:
    """Voices that speak in packets of 20 ms, and an election every 100 ms."""

    def __init__(self, count: int, *names: str) -> None:
        self.speakers = Speakers(count)
        self.voices: dict[str, Voice] = {}
        self.now = 100.0
        for name in names:
            self.enter(name)

    def enter(self, name: str, extensions: Mapping[int, str] | None = None) -> None:
        voice = self.voices[name] = Voice({1: AUDIO_LEVEL} if extensions is None else extensions)
        self.speakers.add(name, voice)

    def leave(self, name: str) -> None:
        del self.voices[name]
        self.speakers.remove(name)

    def speak(self, seconds: float, levels: Mapping[str, int]) -> list[tuple[str, ...]]:
        """Let everybody speak at these levels (silence if not named); return the changes of the elected."""
        changes = []
        for step in range(round(seconds * 50)):
            self.now += 0.02
            for name, voice in self.voices.items():
                extensions = wire.one_byte({1: bytes((levels.get(name, SILENT),))})
                voice.hear(wire.packet(step, arrival=self.now, extensions=extensions))
            if step % 5 == 4 and self.speakers.elect(self.now):
                changes.append(self.speakers.elected)
        return changes

    def heard(self, *own: str) -> set[str]:
        return set(self.speakers.heard_by(frozenset(own)))


# --- voices ---------------------------------------------------------------------------------------


def test_loudness_rises_and_falls_smoothly() -> None:
    voice = Voice({1: AUDIO_LEVEL})
    heard = []
    for step in range(40):
        level = LOUD if step < 20 else SILENT
        voice.hear(wire.packet(step, arrival=step / 50, extensions=wire.one_byte({1: bytes((level,))})))
        heard.append(voice.at(step / 50))
    assert heard[:20] == sorted(heard[:20])
    assert heard[20:] == sorted(heard[20:], reverse=True)
    assert heard[0] < 30
    assert 100 < heard[19] <= 127 - LOUD


def test_loudness_fades_without_packets() -> None:
    voice = Voice({1: AUDIO_LEVEL})
    voice.hear(wire.packet(1, arrival=1.0, extensions=wire.one_byte({1: b"\x00"})))
    assert voice.at(1.05) == voice.loudness
    assert voice.at(2.0) < 0.1 * voice.loudness
    assert voice.at(3.0) < voice.at(2.0)


def test_the_voice_activity_flag_is_no_part_of_the_level() -> None:
    flagged, plain = Voice({1: AUDIO_LEVEL}), Voice({1: AUDIO_LEVEL})
    flagged.hear(wire.packet(1, extensions=wire.one_byte({1: bytes((0x80 | NORMAL,))})))
    plain.hear(wire.packet(1, extensions=wire.one_byte({1: bytes((NORMAL,))})))
    assert flagged.loudness == plain.loudness > 0


@pytest.mark.parametrize("extensions", [b"", wire.two_byte({1: b""}), wire.one_byte({2: b"\x00"})])
def test_packets_without_a_level_say_nothing(extensions: bytes) -> None:
    voice = Voice({1: AUDIO_LEVEL})
    voice.hear(wire.packet(1, arrival=1.0, extensions=extensions))
    assert voice.loudness == 0


# --- election -------------------------------------------------------------------------------------


def test_nobody_is_heard_in_an_empty_room() -> None:
    hall = Hall(3)
    assert hall.speak(0.1, {}) == []
    assert hall.heard() == set()
    assert hall.speakers.speaking(hall.now) == ()


def test_few_enough_are_all_heard_even_if_silent() -> None:
    hall = Hall(3, *"abcd")
    hall.speak(0.1, {})
    assert hall.heard("a") == {"b", "c", "d"}
    assert hall.heard("d") == {"a", "b", "c"}


def test_own_tracks_are_not_heard() -> None:
    hall = Hall(2, *"abc")
    hall.speak(2.0, {"a": LOUD, "b": NORMAL})
    assert "a" not in hall.heard("a")
    assert hall.heard("a", "b") == {"c"}


def test_the_loudest_come_to_be_heard() -> None:
    hall = Hall(3, *(f"p{number}" for number in range(40)))
    hall.speak(1.0, {})
    hall.speak(3.0, {"p30": LOUD, "p20": NORMAL, "p10": NORMAL})
    assert hall.heard("p5") == {"p30", "p20", "p10"}


@pytest.mark.parametrize("speaker", "abcd")
def test_whoever_speaks_is_heard_by_those_who_listen(speaker: str) -> None:
    """One more is elected than everybody hears, for those who do not hear themselves."""
    hall = Hall(3, *"abcdefgh")
    hall.speak(2.0, {})
    assert set(hall.speakers.elected) == set("abcd")
    hall.speak(1.0, {speaker: NORMAL})
    assert speaker in hall.heard("h")
    others = [each for each in "abcd" if each != speaker]
    assert all(speaker in hall.heard(each) for each in others)


def test_the_spare_place_changes_hands_with_the_same_patience() -> None:
    hall = Hall(1, *"abc")
    hall.speak(2.0, {"a": NORMAL, "b": NORMAL})
    (first,) = hall.heard("c")
    (other,) = {"a", "b"} - {first}
    hall.speak(5.0, {first: NORMAL, other: NORMAL - 5})
    assert hall.heard("c") == {first}
    hall.speak(2.0, {first: NORMAL, other: NORMAL - 10})
    assert hall.heard("c") == {other}


def test_a_cough_does_not_cut_a_sentence() -> None:
    hall = Hall(1, *"abcdef")
    hall.speak(2.0, {"a": NORMAL, "b": NORMAL})
    assert hall.speak(0.06, {"a": NORMAL, "b": NORMAL, "e": 0}) == []
    assert hall.speak(1.0, {"a": NORMAL, "b": NORMAL}) == []


def test_a_challenger_must_be_clearly_louder() -> None:
    hall = Hall(1, *"abc")
    hall.speak(2.0, {"a": NORMAL, "b": NORMAL})
    assert hall.speak(5.0, {"a": NORMAL, "b": NORMAL, "c": NORMAL - 5}) == []
    hall.speak(2.0, {"a": NORMAL, "b": NORMAL, "c": NORMAL - 7})
    assert "c" in hall.speakers.elected


def test_a_challenger_must_speak() -> None:
    hall = Hall(1, *"abc")
    assert 127 - QUIET < SPEAKING
    hall.speak(1.0, {})
    assert hall.speak(5.0, {"c": QUIET}) == []


def test_the_elected_are_held_for_a_moment() -> None:
    hall = Hall(1, *"abc")
    hall.speak(2.0, {"a": NORMAL, "b": NORMAL})
    hall.speak(0.4, {"a": SILENT, "b": NORMAL, "c": LOUD})
    elected_at = hall.now
    assert "c" in hall.speakers.elected
    while "a" not in hall.speakers.elected:
        hall.speak(0.1, {"a": 0, "b": 0})
    assert hall.now - elected_at >= HOLD_S - 0.4


def test_places_left_by_those_who_go_are_filled_with_the_loudest() -> None:
    hall = Hall(1, *"abcd")
    hall.speak(2.0, {"a": LOUD, "b": LOUD, "c": QUIET, "d": NORMAL})
    hall.leave("b")
    hall.speak(0.1, {"a": LOUD, "c": QUIET, "d": NORMAL})
    assert set(hall.speakers.elected) == {"a", "d"}


def test_everybody_is_heard_when_no_number_is_set() -> None:
    hall = Hall(0, *(f"p{number}" for number in range(20)))
    hall.speak(0.1, {})
    assert hall.heard("p7") == {f"p{number}" for number in range(20) if number != 7}
    hall.leave("p3")
    hall.enter("late")
    hall.speak(0.1, {})
    assert hall.heard("p7") == {"late", *(f"p{n}" for n in range(20) if n not in (3, 7))}


def test_a_voice_without_levels_takes_a_free_place_and_never_speaks() -> None:
    hall = Hall(2, "a")
    hall.enter("telephone", {})
    hall.speak(2.0, {"a": LOUD, "telephone": 0})
    assert hall.heard("a") == {"telephone"}
    assert hall.speakers.speaking(hall.now) == ("a",)


# --- speaking -------------------------------------------------------------------------------------


def test_those_who_speak_are_named_until_shortly_after_their_last_word() -> None:
    hall = Hall(3, *"abc")
    hall.speak(1.0, {"b": NORMAL})
    assert hall.speakers.speaking(hall.now) == ("b",)
    fell_silent = hall.now
    while hall.speakers.speaking(hall.now):
        hall.speak(0.02, {})
    assert SPEAKING_HOLD_S <= hall.now - fell_silent < SPEAKING_HOLD_S + 0.5


def test_the_dominant_speaker_is_first_and_stays_so_for_a_while() -> None:
    hall = Hall(3, *"abc")
    hall.speak(1.0, {"b": NORMAL, "c": QUIET})
    assert hall.speakers.speaking(hall.now)[0] == "b"
    began = hall.now
    while hall.speakers.speaking(hall.now)[0] == "b":
        hall.speak(0.1, {"a": LOUD, "b": NORMAL})
    assert hall.now - began > DOMINANCE_HOLD_S / 2
    assert hall.speakers.speaking(hall.now) == ("a", "b")


def test_a_dominant_speaker_who_goes_is_named_no_more() -> None:
    hall = Hall(3, *"abc")
    hall.speak(1.0, {"b": LOUD, "c": NORMAL})
    assert hall.speakers.speaking(hall.now) == ("b", "c")
    hall.leave("b")
    hall.speakers.elect(hall.now)
    assert hall.speakers.speaking(hall.now) == ("c",)
