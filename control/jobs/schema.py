"""What a job is, as the JSON it is kept as."""

from msgspec import Struct


class Job(Struct, frozen=True, tag_field="kind"):
    """Base of all jobs. A subclass needs a `tag`: its kind, of at most 64 characters, and its version."""


def kind_of(job: type[Job]) -> str:
    """Return the tag of a kind of job."""
    return str(job.__struct_config__.tag)
