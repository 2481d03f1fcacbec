"""Findings as lines for people, and as JSON for programs."""

from collections.abc import Sequence
from typing import Any

from doctor.finding import Finding, State


def line(finding: Finding) -> str:
    """Return a finding as one line."""
    verdict = finding.verdict
    fix = f" Fix: {verdict.fix}" if verdict.fix else ""
    return f"{verdict.state:8} {finding.check:13} {verdict.seen}.{fix}"


def is_well(findings: Sequence[Finding]) -> bool:
    """Tell whether nothing failed."""
    return all(finding.verdict.state is not State.FAILED for finding in findings)


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return all findings as JSON has them."""
    return {
        "ok": is_well(findings),
        "checks": [
            {
                "check": finding.check,
                "state": str(finding.verdict.state),
                "seen": finding.verdict.seen,
                "fix": finding.verdict.fix,
            }
            for finding in findings
        ],
    }
