"""The golden offers, the node that answers them in tests, and the answers that are kept as text."""

from pathlib import Path

from sfu.signaling.negotiate import LocalCandidate, LocalDescription, negotiate

FOLDER = Path(__file__).parents[2] / "golden" / "offers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sdp") if not path.stem.endswith(".answer"))
KEPT_ANSWERS = ("chromium-small", "firefox-small", "aiortc-bot")

LOCAL = LocalDescription(
    ufrag="node",
    pwd="n" * 24,
    fingerprint="sha-256 " + ":".join(["AB"] * 32),
    candidates=(
        LocalCandidate("192.0.2.1", 8082, 2130706431),
        LocalCandidate("2001:db8::1", 8082, 2130706175),
        LocalCandidate("192.0.2.1", 8082, 1671430143, "tcp"),
    ),
    ssrc_seed=b"seed of one link",
    session_id=1234567890,
    version=1,
)


def read(name: str) -> str:
    return (FOLDER / f"{name}.sdp").read_bytes().decode()


def main() -> None:
    for name in KEPT_ANSWERS:
        (FOLDER / f"{name}.answer.sdp").write_bytes(negotiate(read(name), LOCAL).answer.encode())


if __name__ == "__main__":
    main()
