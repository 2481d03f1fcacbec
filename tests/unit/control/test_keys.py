import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from control.keys import ensure_secrets, load_secrets
from sfu.contract.operations import sign_token, verify_token

FILES = {"ticket-signing.pem", "ticket-verifying.pem", "cluster.secret", "session.secret"}


def contents(data: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in data.iterdir()}


def test_secrets_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    ensure_secrets(data)
    assert set(contents(data)) == FILES
    assert {stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()} == {0o600}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "ticket-verifying.pem").unlink()
    ensure_secrets(tmp_path)
    assert contents(tmp_path) == before


def test_many_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ensure_secrets, [tmp_path] * 16))
    assert set(contents(tmp_path)) == FILES
    public = load_secrets(tmp_path).ticket_key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert (tmp_path / "ticket-verifying.pem").read_bytes() == pem


def test_secrets_are_whole_and_not_shown(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    secrets = load_secrets(tmp_path)
    assert len(secrets.cluster) == len(secrets.session) == 32
    assert secrets.cluster != secrets.session
    assert secrets.cluster.hex() not in repr(secrets)
    token = sign_token(secrets.cluster, audience="x", now=0)
    assert verify_token(token, bytes.fromhex((tmp_path / "cluster.secret").read_text()), audience="x", now=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("session.secret", "00"),
        ("cluster.secret", "nonsense"),
        ("ticket-signing.pem", ""),
        ("session.secret", ""),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, name: str, content: str) -> None:
    ensure_secrets(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises((ValueError, TypeError)):
        load_secrets(tmp_path)
