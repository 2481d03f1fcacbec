"""Who speaks when, in a room of bots: turns of a few seconds, two at a time, over a little room noise."""

from collections.abc import Callable

_TURN_S = 3.0
_SPEECH_DBOV = 25
_NOISE_DBOV = 85
_AT_ONCE = 2


def turns(seat: int, seats: int) -> Callable[[float], int]:
    """Return the audio level over time, in -dBov, of whoever sits in `seat`."""

    def level(now: float) -> int:
        turn = int(now / _TURN_S)
        speaking = (seat - turn) % seats < _AT_ONCE
        # Syllables: a few decibels up and down, the same for the same moment.
        return (_SPEECH_DBOV if speaking else _NOISE_DBOV) + int(now * 10) % 5

    return level
