"""The benchmark works, whatever the machine is worth: a smoke run measures everything once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "--rooms 2 --people 2 --rounds 1 --settle 0 --window 1"
needs_namespace = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace, which needs root")


@needs_namespace
@pytest.mark.timeout(300)  # starts a server six times, on whatever machine this is
def test_a_quick_run_measures_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--no-janus", "--output", str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (written,) = tmp_path.glob("*.json")
    document = json.loads(written.read_text())
    assert {run["subject"] for run in document["runs"]} == {"kernel, sendto", "parley"}
    assert all(delay["p50_ms"] > 0 for delay in document["delay"])
    assert [memory["sending"] for memory in document["memory"]] == [False, True]
    assert document["joins"]["first_media_p50_ms"] > 0


@needs_namespace
def test_one_worker_and_two_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "workers.json"
    command = [sys.executable, "-m", "tests.bench.workers", *SMALL.split(), "--json", str(file)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "2 workers to 1" in finished.stdout
    one, two = json.loads(file.read_text())["runs"]
    assert [len(run["worker_cpu_s"]) for run in (one, two)] == [1, 2]
    assert all(cpu_s > 0 for run in (one, two) for cpu_s in run["worker_cpu_s"])
    assert all(run["us"] > 0 and run["delivered_per_s"] > 0 for run in (one, two))
