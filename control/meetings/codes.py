"""Meeting codes: 60 random bits that can be read out loud, such as `abcd-efgh-jkmn`.

Lower-case letters and digits, without those taken for one another (l, o, 0, 1); case, spaces and dashes
do not matter on the way in. The first symbol tells the database that the meeting is in; of the first
database's codes it is as random as the others.
"""

import secrets

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
LENGTH = 12
GROUP = 4


def new_code(shard: int = 0) -> str:
    """Return a code that cannot be guessed, of a meeting in the database with this number."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return _grouped(ALPHABET[shard] + code[1:] if shard else code)


def shard_of(code: str) -> int:
    """Return the number of the database that the canonical code tells; if not there, it is in the first."""
    return ALPHABET.index(code[0])


def canonical(text: str) -> str | None:
    """Return the code as it is stored, or None when `text` cannot be one."""
    signs = text.lower().replace("-", "").replace(" ", "")
    if len(signs) != LENGTH or not set(signs) <= set(ALPHABET):
        return None
    return _grouped(signs)


def _grouped(signs: str) -> str:
    return "-".join(signs[start : start + GROUP] for start in range(0, LENGTH, GROUP))
