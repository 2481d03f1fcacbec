"""Scrape configuration, alerts and dashboards, in a real Prometheus that watches a site with bots in it."""

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from deploy.grafana import dashboards
from tests.deploy import DEPLOY
from tests.deploy.proxies import haproxy, moved
from tests.deploy.site import Site
from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

FOLDER = DEPLOY / "prometheus"
GROUPS = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
RULES = {rule["alert"]: rule["expr"] for group in GROUPS for rule in group["rules"]}
QUERIES = {
    f"{page['title']}, {panel['title']}, {target['legendFormat']}": target["expr"]
    for page in map(json.loads, dashboards.documents().values())
    for panel in page["panels"]
    for target in panel.get("targets", [])
}
VARIABLES = {"$__rate_interval": "20s", "$instance": ".*"}
METRIC = re.compile(r"\b(?:parley|haproxy)_\w+")
HISTOGRAM_PART = re.compile(r"_(?:bucket|sum|count)$")


@dataclass(frozen=True)
class Watch:
    """A Prometheus that has watched the site from a moment to another, in Unix time."""

    url: str
    began: float
    ended: float

    def ask(self, path: str, **query: Any) -> Any:
        """Return what its API says."""
        return _ask(self.url, path, **query)

    def drawn(self, query: str) -> list[float]:
        """Return all that a dashboard would draw of a query, numbers alone."""
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        found = self.ask("query_range", query=query, start=self.began, end=self.ended, step=1)
        values = [float(value) for series in found["result"] for _, value in series["values"]]
        return [value for value in values if not math.isnan(value)]


def _ask(url: str, path: str, **query: Any) -> Any:
    with urlopen(f"{url}/api/v1/{path}?{urlencode(query)}", timeout=30) as response:
        return json.load(response)["data"]


@pytest.fixture(scope="module")
def watch(site: Site) -> Iterator[Watch]:
    with haproxy(site), prometheus(site) as url:
        site.wait_until_ready()
        until_now("all is scraped", lambda: _all_answer(url), deadline_s=60)
        began = time.time()
        site.visit(seconds=5)
        yield Watch(url, began, time.time())


@contextmanager
def prometheus(site: Site) -> Iterator[str]:
    """Run Prometheus as it is configured, but for the addresses and a shorter interval."""
    folder = site.folder / "prometheus"
    (folder / "targets").mkdir(parents=True)
    often = {
        "scrape_interval: 15s": "scrape_interval: 1s",
        "evaluation_interval: 15s": "evaluation_interval: 1s",
    }
    config = moved(FOLDER / "prometheus.yml", folder, often)
    moved(FOLDER / "rules.yml", folder, {})
    targets = {
        "control": [part.address for part in site.controls.values()],
        "node": [part.address for part in site.nodes.values()],
        "haproxy": [f"127.0.0.1:{site.balancer.operators}"],
        "worker": [],
    }
    assert {f"{name}.yml" for name in targets} == {each.name for each in (FOLDER / "targets").iterdir()}
    for name, addresses in targets.items():
        (folder / "targets" / f"{name}.yml").write_text(yaml.safe_dump([{"targets": addresses}]))
    (port,) = free_ports(1)
    at = f"--web.listen-address=127.0.0.1:{port}"
    argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", at]
    with Process(argv, folder / "log"):
        yield f"http://127.0.0.1:{port}"


def _all_answer(url: str) -> bool:
    try:
        targets = _ask(url, "targets")["activeTargets"]
    except OSError:
        return False
    return len(targets) == 5 and all(target["health"] == "up" for target in targets)


@pytest.fixture(scope="module")
def known(site: Site, watch: Watch) -> set[str]:
    """The names of all metrics there are, also of those that counted nothing yet."""
    known = set()
    pages = [*site.controls.values(), *site.nodes.values()]
    for address in [*(part.address for part in pages), f"127.0.0.1:{site.balancer.operators}"]:
        with urlopen(f"http://{address}/metrics", timeout=30) as response:
            known |= set(re.findall(r"^# TYPE (\w+) ", response.read().decode(), re.MULTILINE))
    return known


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_each_query_of_the_dashboards_draws_something(watch: Watch, query: str) -> None:
    assert watch.drawn(query)


@pytest.mark.parametrize("query", [*RULES.values(), *QUERIES.values()], ids=[*RULES, *QUERIES])
def test_what_is_asked_for_is_counted(known: set[str], query: str) -> None:
    asked = {HISTOGRAM_PART.sub("", name) for name in METRIC.findall(query)}
    assert asked <= known


def test_rules_can_be_judged_and_nothing_is_wrong(watch: Watch) -> None:
    judged = until_now("all rules are judged", lambda: _judged(watch))
    assert {rule["name"]: rule.get("lastError") for rule in judged} == dict.fromkeys(RULES)
    assert [rule["name"] for rule in judged if rule["state"] == "firing"] == []


def _judged(watch: Watch) -> list[Any]:
    rules = [rule for group in watch.ask("rules")["groups"] for rule in group["rules"]]
    return rules if all(rule["health"] != "unknown" for rule in rules) else []


def test_each_alert_is_tried() -> None:
    told = subprocess.run(
        ["promtool", "test", "rules", "rules.test.yml"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    cases = yaml.safe_load((FOLDER / "rules.test.yml").read_text())["tests"]
    tried = [each for case in cases for each in case["alert_rule_test"]]
    assert {each["alertname"] for each in tried if each.get("exp_alerts")} == set(RULES)
    assert {each["alertname"] for each in tried if not each.get("exp_alerts")} == set(RULES)


def test_each_alert_is_in_the_runbook() -> None:
    runbook = (DEPLOY / "RUNBOOK.md").read_text()
    assert [name for name in RULES if f"`{name}`" not in runbook] == []


def test_the_configuration_is_sound() -> None:
    command = ["promtool", "check", "config", "prometheus.yml"]
    told = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("name", dashboards.documents())
def test_dashboards_are_as_the_code_makes_them(name: str) -> None:
    assert (dashboards.FOLDER / name).read_text() == dashboards.documents()[name], "run `make dashboards`"
