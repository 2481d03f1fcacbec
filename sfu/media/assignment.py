"""Which track goes into which slot, so that as few slots as possible change."""

from collections.abc import Mapping, Sequence


def assign(current: Mapping[str, str | None], wanted: Sequence[str]) -> dict[str, str | None]:
    """Return slot → track (None: empty) for the first of `wanted` that there are slots for.

    `current` is slot → track now, in the order slots are to be filled. A wanted track keeps its slot.
    """
    chosen = list(dict.fromkeys(wanted))[: len(current)]
    result = {slot: track if track in chosen else None for slot, track in current.items()}
    placed = set(result.values())
    unplaced = iter([track for track in chosen if track not in placed])
    for slot, track in result.items():
        if track is None:
            result[slot] = next(unplaced, None)
    return result
