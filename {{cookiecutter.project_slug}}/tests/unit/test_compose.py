"""compose.yaml and what it mounts: tags, secrets, health, what may be reached, and metrics that the service has."""

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deployment.api.metrics import Metrics
from deployment.docker.stack import environment
from tests.dockerfiles import FOLDER, stages
from tests.pages import BLOCK
from tests.project import PACKAGE, ROOT

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STACK = FOLDER / "stack"
GRAFANA = json.loads((STACK / "grafana/serving.json").read_text(encoding="utf-8"))
each = pytest.mark.parametrize("name", SERVICES)


@each
def test_every_image_has_a_tag_that_an_argument_names(name: str) -> None:
    repository, _, tag = SERVICES[name]["image"].partition(":")
    if repository.startswith(f"{PACKAGE}-"):
        assert tag == "${STACK_VERSION:?run make stack, which writes .env}"
        assert (FOLDER / f"{repository.removeprefix(f'{PACKAGE}-')}.Dockerfile").is_file()
    else:
        (default,) = re.fullmatch(r"\$\{[A-Z]+_TAG:-([\w.-]+)\}", tag).groups()  # type: ignore[union-attr]
        assert default != "latest"
        assert re.search(r"\d", default)


@each
def test_every_container_is_locked_up(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert "network_mode" not in service


@each
def test_only_this_machine_reaches_it(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{STACK_[A-Z_]+_PORT:-\d+\}:\d+", port), port


@each
def test_every_service_says_whether_it_is_healthy(name: str) -> None:
    service = SERVICES[name]
    repository = service["image"].partition(":")[0]
    if "healthcheck" in service:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["healthcheck"]["start_period"]
    else:
        assert repository.startswith(f"{PACKAGE}-")
        recipe = FOLDER / f"{repository.removeprefix(f'{PACKAGE}-')}.Dockerfile"
        assert stages(recipe)[-1].only("HEALTHCHECK") != "NONE"  # Compose's --wait fails on those


def test_ports_do_not_collide() -> None:
    ports = [re.search(r":-(\d+)\}", port)[1] for one in SERVICES.values() for port in one.get("ports", [])]  # type: ignore[index]
    assert len(ports) == len(set(ports))


def test_no_secret_has_a_default() -> None:
    for name, variable, rest in re.findall(r"(\w+): .*\$\{(\w+)(:?[-?][^}]*)?\}", TEXT):
        if re.search(r"PASSWORD|SECRET|KEY", name) and name != "AWS_ACCESS_KEY_ID":
            assert rest.startswith(":?"), f"{name}: {variable}"
    plain = re.findall(r"^ +(\w*(?:PASSWORD|SECRET)\w*): (?!\$\{)(\S+)", TEXT, re.MULTILINE)
    assert plain == []


def test_what_is_required_is_what_is_made() -> None:
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == {*environment.required(ROOT)} - {*environment.OUTSIDE}


def test_the_store_is_the_registrys_alone() -> None:
    assert COMPOSE["networks"]["storage"] == {"internal": True}
    inside = {name for name, service in SERVICES.items() if "storage" in service["networks"]}
    assert inside == {"postgres", "seaweedfs", "mlflow"}
    assert [name for name in ("postgres", "seaweedfs") if "ports" in SERVICES[name]] == []


def test_the_service_has_time_to_drain() -> None:
    config = yaml.safe_load((ROOT / "config/serving/default.yaml").read_text(encoding="utf-8"))
    assert int(SERVICES["api"]["stop_grace_period"].rstrip("s")) > config["drain_seconds"] + config["finish_seconds"]


def test_what_is_served_is_named_in_one_way() -> None:
    """A problem of one's own is served by a line in `.env`, wherever compose.yaml asks for a version."""
    model = "${STACK_MODEL:-" + PACKAGE + "}"
    references = re.findall(r"models:/\S+", TEXT)
    assert SERVICES["api"]["environment"]["SERVING_REFERENCE"] in references
    assert {*references} == {f"models:/{model}@" + "${STACK_ALIAS:-dev}"}
    assert {*re.findall(r"/v2/models/([^/]+)/", TEXT)} <= {model}


def test_a_name_of_ones_own_is_allowed_as_host_and_as_origin() -> None:
    given = SERVICES["mlflow"]["environment"]
    assert given["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "${STACK_ALLOWED_ORIGINS:-}"
    assert given["MLFLOW_SERVER_ALLOWED_HOSTS"].startswith("${STACK_ALLOWED_HOSTS:-localhost,")


def test_the_object_store_does_not_fill_the_memory_with_logs() -> None:
    """Before the subcommand: weed's own options; otherwise it writes files into /tmp, a tmpfs."""
    command = SERVICES["seaweedfs"]["command"]
    assert command.index("-logtostderr=true") < command.index("mini")


def test_the_page_upgrades_with_the_new_image() -> None:
    """`.env` names the former version until `make stack` runs."""
    section = (ROOT / "docs/stack.md").read_text(encoding="utf-8").partition("## Upgrading the server")[2]
    blocks = [block["text"] for block in BLOCK.finditer(section.partition("\n## ")[0]) if block["kind"] == "bash"]
    runs = [line for block in blocks for line in block.splitlines() if "docker compose run" in line]
    assert len(runs) == 2
    assert {line.partition("docker compose")[0] for line in runs} == {"STACK_VERSION=$(cat VERSION) "}


def test_monitoring_is_a_profile() -> None:
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}
    for name in ("postgres", "seaweedfs", "mlflow", "api"):
        assert profiles[name] is None
    assert profiles["prometheus"] == profiles["grafana"] == ["monitoring"]


@each
def test_what_is_mounted_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).is_file()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def exported() -> set[str]:
    """Names of all samples that the service can have."""
    metrics = Metrics(lambda: 0.0)
    metrics.follow(lambda: 1.0)
    names: set[str] = set()
    for metric in text_string_to_metric_families(metrics.text().decode()):
        names |= {sample.name for sample in metric.samples} | {metric.name}
        if metric.type == "counter":
            names.add(f"{metric.name}_total")
        if metric.type == "histogram":
            names |= {f"{metric.name}_{part}" for part in ("bucket", "count", "sum")}
        if metric.name == "serving_model":
            names.add("serving_model_info")
    return names


@pytest.mark.parametrize("panel", GRAFANA["panels"], ids=lambda panel: str(panel["title"]))
def test_every_panel_asks_for_metrics_that_the_service_has(panel: dict[str, Any]) -> None:
    source = yaml.safe_load((STACK / "grafana/datasource.yml").read_text(encoding="utf-8"))["datasources"][0]
    assert panel["datasource"]["uid"] == source["uid"]
    assert panel["targets"]
    for target in panel["targets"]:
        asked = set(re.findall(r"\bserving_\w+", target["expr"]))
        assert asked
        assert asked <= exported()


def test_the_panels_have_what_is_promised() -> None:
    asked = " ".join(target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"])
    for metric in ("requests_total", "request_seconds_bucket", "refusals_total", "swaps_total", "model_info"):
        assert f"serving_{metric}" in asked


def test_prometheus_asks_the_service_where_it_listens() -> None:
    jobs = yaml.safe_load((STACK / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    port = yaml.safe_load((ROOT / "config/serving/default.yaml").read_text(encoding="utf-8"))["port"]
    found = {job["job_name"]: job["dns_sd_configs"][0] for job in jobs}
    assert found["api"] == {"names": ["api"], "type": "A", "port": port}
    assert {name for one in found.values() for name in one["names"]} <= SERVICES.keys()


@pytest.mark.compose
@pytest.mark.parametrize("lacking", [None, *environment.required(ROOT)])
def test_compose_itself_reads_it(lacking: str | None) -> None:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("STACK_", "COMPOSE_"))}
    given = outside | {name: "x" for name in environment.required(ROOT) if name != lacking}
    command = ["docker", "compose", "--env-file", os.devnull, "--profile", "*", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True)
    if lacking is None or lacking in environment.OUTSIDE:
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    else:
        assert done.returncode != 0
        assert f"{lacking} is missing a value: run make stack" in done.stderr


def test_what_the_page_of_mlflow_names_is_done_by_pages_that_tests_follow() -> None:
    """Its own blocks need no container engine."""
    section = (ROOT / "docs/mlflow.md").read_text(encoding="utf-8").partition("## A server with accounts")[2]
    named = set(re.findall(r"`(make [a-z-]+)", section))
    assert {"make images", "make stack", "make stack-backup", "make stack-restore"} <= named
    followed = ""
    for page in ("docker.md", "stack.md"):
        blocks = BLOCK.finditer((ROOT / "docs" / page).read_text(encoding="utf-8"))
        followed += "".join(block["text"] for block in blocks if block["kind"] == "bash")
    assert [command for command in named if not re.search(rf"^{command}( |$)", followed, re.MULTILINE)] == []
