"""What the recordings' routes give, as JSON."""

from msgspec import Struct

from control.clock import Timestamp
from control.recordings.store import Recording


class RecordingView(Struct, frozen=True, kw_only=True):
    """A recording; `size` is in bytes."""

    id: str
    type: str
    size: int
    started_at: Timestamp
    ended_at: Timestamp


def view_of(recording: Recording) -> RecordingView:
    """Return the recording as JSON has it."""
    return RecordingView(
        id=recording.id,
        type=recording.content_type,
        size=recording.size,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
    )
