"""Who is heard: the loudest tracks of a room, by the levels in their packets (RFC 6464).

A track's loudness is its level above silence, smoothed over a few hundred milliseconds. Those
elected keep their place until somebody is clearly louder, and for a moment at least, so that a
cough does not cut a sentence. Everybody hears the first `count` of the elected who are not
themselves: so `count + 1` are elected, and a room of 300 costs what a room of 4 does.
"""

from collections.abc import Mapping, Sequence

from sfu.rtp.packet import Packet

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SILENCE = 127
"""RFC 6464: the level of digital silence, in -dBov."""
SMOOTHING = 0.2
DECAY_PER_S = 0.05
"""The share of its loudness that a track keeps over a second without packets."""
MARGIN = 6.0
"""How much louder, in dB, a challenger must be than the least of the elected…"""
HOLD_S = 0.8
"""…who keeps the place at least this long."""
DOMINANCE_HOLD_S = 1.5
"""How long a dominant speaker stays so before somebody louder takes over."""
SPEAKING = 70.0
"""Loudness from which a track counts as speech: -57 dBov."""
SPEAKING_HOLD_S = 0.6
"""For how long after the last loud packet somebody still counts as speaking."""


class Voice:
    """How loud one track is. `level_id` is its publisher's id for the audio-level extension.

    A track without levels can be elected into a free place, but never counts as speaking.
    """

    __slots__ = ("_level_id", "elected_at", "loud_at", "loudness", "updated_at")

    def __init__(self, extensions: Mapping[int, str]) -> None:
        self._level_id = next((id_ for id_, uri in extensions.items() if uri == AUDIO_LEVEL), None)
        self.loudness = 0.0
        self.updated_at = float("-inf")
        self.loud_at = float("-inf")
        self.elected_at = float("-inf")

    def hear(self, packet: Packet) -> None:
        """Note one packet's level, in -dBov (0 loudest, 127 silence)."""
        value = None if self._level_id is None else packet.extension(self._level_id)
        if not value:
            return
        self.loudness += SMOOTHING * (SILENCE - (value[0] & 0x7F) - self.loudness)
        self.updated_at = packet.arrival
        if self.loudness >= SPEAKING:
            self.loud_at = packet.arrival

    def at(self, now: float) -> float:
        """Return the loudness now, fading while no packets come."""
        idle = now - self.updated_at
        return self.loudness if idle < 0.1 else self.loudness * DECAY_PER_S**idle


class Speakers:
    """The voices of a room, by track. `count` is how many each peer hears; 0 means all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._voices: dict[str, Voice] = {}
        self.elected: tuple[str, ...] = ()
        self._dominant: str | None = None
        self._dominant_since = float("-inf")

    def add(self, track: str, voice: Voice) -> None:
        """A track may now be heard."""
        self._voices[track] = voice

    def remove(self, track: str) -> None:
        """A track is muted or gone."""
        self._voices.pop(track, None)

    def elect(self, now: float) -> bool:
        """Choose anew who is heard; tell whether anything changed."""
        places = len(self._voices) if self._count == 0 else self._count + 1
        kept = [track for track in self.elected if track in self._voices][:places]
        challengers = sorted(
            (track for track in self._voices if track not in kept),
            key=lambda track: self._voices[track].at(now),
            reverse=True,
        )
        for track in challengers:
            if len(kept) < places:
                kept.append(track)
            elif (least := self._least(kept, track, now)) is not None:
                kept[kept.index(least)] = track
            else:
                break
            self._voices[track].elected_at = now
        self._promote(kept, now)
        changed = tuple(kept) != self.elected
        self.elected = tuple(kept)
        return changed

    def _promote(self, kept: list[str], now: float) -> None:
        """Give the last place, which only the elected themselves hear, to the least of them."""
        if len(kept) > self._count > 0:
            *heard, spare = kept
            least = self._least(heard, spare, now)
            if least is not None:
                kept[kept.index(least)], kept[-1] = spare, least
                self._voices[spare].elected_at = now

    def _least(self, kept: Sequence[str], challenger: str, now: float) -> str | None:
        """Return the elected track that must give way to the challenger, if any."""
        least = min(kept, key=lambda track: self._voices[track].at(now))
        voice = self._voices[least]
        clearly = self._voices[challenger].at(now) >= max(voice.at(now) + MARGIN, SPEAKING)
        return least if clearly and now - voice.elected_at >= HOLD_S else None

    def heard_by(self, own: frozenset[str]) -> tuple[str, ...]:
        """Return the tracks that the owner of `own` hears."""
        others = tuple(track for track in self.elected if track not in own)
        return others if self._count == 0 else others[: self._count]

    def speaking(self, now: float) -> tuple[str, ...]:
        """Return the tracks of those who speak now, the dominant speaker first.

        Somebody stays dominant until falling silent, or until another is clearly louder for a while.
        """
        active = [track for track in self.elected if now - self._voices[track].loud_at < SPEAKING_HOLD_S]
        if not active:
            self._dominant = None
            return ()
        loudest = max(active, key=lambda track: self._voices[track].at(now))
        if self._dominant not in active or self._outdoes(loudest, self._dominant, now):
            self._dominant, self._dominant_since = loudest, now
        return (self._dominant, *(track for track in active if track != self._dominant))

    def _outdoes(self, challenger: str, dominant: str, now: float) -> bool:
        louder = self._voices[challenger].at(now) - self._voices[dominant].at(now) >= MARGIN
        return louder and now - self._dominant_since >= DOMINANCE_HOLD_S
