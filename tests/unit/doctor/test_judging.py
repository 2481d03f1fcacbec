"""What the doctor makes of what it saw: pure, by tables."""

import asyncio
import json
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from doctor.causes import failure, network_causes
from doctor.finding import Check, Finding, State, Verdict, examine, ok, skipped, unset, warning
from doctor.machine import judged_addresses, judged_buffers
from doctor.report import document, is_well, line
from doctor.stun import Answer, Candidate, candidates, credentials
from doctor.visit import judged_call, judged_udp

MIB = 1 << 20


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ([4 * MIB, 4 * MIB], State.OK),
        ([8 * MIB, 4 * MIB], State.OK),
        ([208 << 10, 4 * MIB], State.WARNING),
        ([4 * MIB, 208 << 10], State.WARNING),
    ],
)
def test_buffers(given: list[int], state: State) -> None:
    verdict = judged_buffers(given, [4 * MIB, 4 * MIB])
    assert verdict.state is state
    assert ("net.core.rmem_max=4194304" in verdict.fix) == (state is State.WARNING)


@pytest.mark.parametrize(
    ("told", "page", "own", "state", "said"),
    [
        (["10.0.0.5"], ["127.0.0.1"], ["10.0.0.5"], State.OK, "10.0.0.5"),
        (["10.0.0.5"], ["10.0.0.5"], ["10.0.0.5"], State.OK, "10.0.0.5"),
        (["1.1.1.1"], ["1.0.0.1"], ["10.0.0.5"], State.OK, "there is NAT"),
        (["10.0.0.5", "2606:4700::1"], ["1.0.0.1"], ["10.0.0.5", "2606:4700::1"], State.OK, ""),
        (["10.0.0.5"], ["1.0.0.1"], ["10.0.0.5"], State.FAILED, "such as 1.0.0.1"),
        (["127.0.0.1"], ["10.0.0.5"], ["127.0.0.1", "10.0.0.5"], State.FAILED, "their own machine"),
        (["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"], State.OK, ""),
    ],
)
def test_addresses(told: list[str], page: list[str], own: list[str], state: State, said: str) -> None:
    verdict = judged_addresses(*([ip_address(each) for each in some] for some in (told, page, own)))
    assert verdict.state is state
    assert said in f"{verdict.seen} {verdict.fix}"
    assert ("PARLEY_SFU_ADVERTISE" in verdict.fix) == (state is State.FAILED)


V4, V6 = Candidate("udp", "10.0.0.5", 8082), Candidate("udp", "fd00::5", 8082)


@pytest.mark.parametrize(
    ("answers", "state", "said"),
    [
        ({}, State.FAILED, "no address over UDP"),
        ({V4: Answer.YES}, State.OK, "10.0.0.5:8082 answers"),
        ({V4: Answer.YES, V6: Answer.SILENT}, State.WARNING, "[fd00::5]:8082 does not answer"),
        ({V4: Answer.YES, V6: Answer.NO_WAY}, State.OK, "cannot be sent to from here"),
        ({V6: Answer.NO_WAY}, State.FAILED, "cannot be sent to from here"),
        ({V4: Answer.SILENT}, State.FAILED, "Open UDP port 8082"),
        ({V4: Answer.SILENT, V6: Answer.NO_WAY}, State.FAILED, "Open UDP port 8082"),
        ({V4: Answer.CLOSED}, State.FAILED, "not where the node listens"),
    ],
)
def test_udp(answers: dict[Candidate, Answer], state: State, said: str) -> None:
    verdict = judged_udp(answers)
    assert verdict.state is state
    assert said in f"{verdict.seen} {verdict.fix}"


@dataclass
class Tally:
    expected: int = 1000
    lost: int = 0


@dataclass
class Outcome:
    name: str = "bot"
    failure: str = ""
    connected_s: float = 0.1
    tally: Tally = field(default_factory=Tally)


@pytest.mark.parametrize(
    ("last", "state", "said"),
    [
        (Outcome(), State.OK, "3 bots heard and saw each other"),
        (Outcome(tally=Tally(lost=90)), State.WARNING, "3.0% lost"),
        (
            Outcome(failure="voices missing: 1 of 2 heard"),
            State.FAILED,
            "bot: voices missing: 1 of 2 heard",
        ),
    ],
)
def test_calls(last: Outcome, state: State, said: str) -> None:
    verdict = judged_call([Outcome(), Outcome(), last])
    assert (verdict.state, said in verdict.seen) == (state, True)


CAUSES = network_causes("Redis", "PARLEY_REDIS_URL")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Error 111 connecting to 127.0.0.1:1. Connection refused.", "nothing listens there"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "nothing listens there"),
        ("Error -2 connecting to nowhere:1. Name or service not known.", "no host of that name"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "not one that this machine trusts"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "do not agree whether to encrypt"),
        ("Timeout connecting to server: timed out", "nothing comes back"),
        ("something\n  new", "something new"),
        ("", "ValueError"),
    ],
)
def test_causes(text: str, said: str) -> None:
    verdict = failure("redis://host", ValueError(text), CAUSES, "PARLEY_REDIS_URL")
    assert verdict.state is State.FAILED
    assert verdict.seen.startswith("redis://host: ")
    assert said in verdict.seen
    assert "PARLEY_REDIS_URL" in verdict.fix or "Redis" in verdict.fix


def test_what_a_node_tells() -> None:
    sdp = "\r\n".join(
        [
            "v=0",
            "a=ice-lite",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "a=ice-ufrag:u:x",
            "a=ice-pwd:p:y",
            "a=candidate:1 1 udp 2130706431 10.0.0.5 8082 typ host",
            "a=candidate:2 1 UDP 2130706431 fd00::5 8082 typ host",
            "a=candidate:3 1 tcp 1671430143 10.0.0.5 8082 typ host tcptype passive",
            "m=video 9 UDP/TLS/RTP/SAVPF 96",
            "a=candidate:1 1 udp 2130706431 10.0.0.5 8082 typ host",
        ]
    )
    assert candidates(sdp) == [V4, V6, Candidate("tcp", "10.0.0.5", 8082)]
    assert (credentials(sdp).ufrag, credentials(sdp).password) == ("u:x", "p:y")


async def test_a_check_takes_no_longer_than_it_may() -> None:
    async def endless() -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError

    async def broken() -> Verdict:
        raise ZeroDivisionError

    finding = await examine(Check("endless", endless), 0.05)
    assert (finding.verdict.state, "within 0.05 s" in finding.verdict.seen) == (State.FAILED, True)
    finding = await examine(Check("broken", broken), 5)
    assert (finding.verdict.state, "ZeroDivisionError" in finding.verdict.seen) == (State.FAILED, True)


def test_reports() -> None:
    findings = [
        Finding("a", ok("fine")),
        Finding("b", unset("there is none")),
        Finding("c", skipped("this needs d")),
        Finding("d", warning("slow", "Do it.")),
    ]
    assert is_well(findings)
    assert line(findings[3]) == "warning  d             slow. Fix: Do it."
    assert line(findings[0]) == "ok       a             fine."
    findings.append(Finding("e", Verdict(State.FAILED, "broken", "Mend it.")))
    assert not is_well(findings)
    told = json.loads(json.dumps(document(findings)))
    assert told["ok"] is False
    assert told["checks"][-1] == {"check": "e", "state": "failed", "seen": "broken", "fix": "Mend it."}
    assert [each["state"] for each in told["checks"][:-1]] == ["ok", "unset", "skipped", "warning"]
