"""Why a backup cannot be made or restored, in sentences for operators."""


class Damaged(Exception):
    """The backup is not what it was when it was made; names the file, and says what is wrong with it."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")


class Unfit(Exception):
    """The backup and this system do not go together, or it is not in a state for that; says why."""
