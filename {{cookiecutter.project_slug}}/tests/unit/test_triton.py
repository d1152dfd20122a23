"""What Triton is told of a servable, and how its model repository changes on disk; no server."""

import re
import shutil
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from {{ cookiecutter.project_slug }}.cli.triton import triton
from {{ cookiecutter.project_slug }}.integrations.triton import releases
from {{ cookiecutter.project_slug }}.integrations.triton.place import TritonPlace
from {{ cookiecutter.project_slug }}.integrations.triton.repository import ModelRepository
from {{ cookiecutter.project_slug }}.integrations.triton.server import Server, _decoded
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.case import Verdict
from {{ cookiecutter.project_slug }}.promotion.deployable import DeployableGate
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.promotion import PromoteConfig
from {{ cookiecutter.project_slug }}.utils.instantiate import build

from deployment.triton.local import __main__ as local
from deployment.triton.local import environment
from tests.candidates import case, write_candidate
from tests.project import PACKAGE, check_cleared, composed, make_project
from tests.servables import CITY, CLASSES, write_servable
from tests.tritons import placement, settings


@pytest.fixture(scope="module")
def price(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "price")


@pytest.fixture(scope="module")
def risk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_servable(tmp_path_factory.mktemp("servables") / "risk", "classification")


def parsed(text: bytes) -> ModelConfig:
    return text_format.Parse(text.decode(), ModelConfig())


def test_configuration(price: Path) -> None:
    config = parsed(placement(price, 7, max_batch_size=512, queue_delay_us=250, instances=2).text())
    assert (config.name, config.backend, config.max_batch_size) == ("house", "onnxruntime", 512)
    inputs = {tensor.name: (tensor.data_type, list(tensor.dims)) for tensor in config.input}
    fp64, fp32, text = 12, 11, 13
    assert inputs == {
        "age": (fp64, [1]), "rooms per house": (fp64, [1]), "is.new": (fp64, [1]), "seen at": (fp64, [1]),
        CITY: (text, [1]), "history": (fp64, [3]), "income": (fp64, [1]),
    }  # fmt: skip
    assert [(t.name, t.data_type, list(t.dims), t.label_filename) for t in config.output] == [
        ("price_prediction", fp32, [1], "")
    ]
    assert list(config.version_policy.specific.versions) == [7]
    assert config.dynamic_batching.max_queue_delay_microseconds == 250
    assert [(g.kind, g.count) for g in config.instance_group] == [(ModelInstanceGroup.KIND_CPU, 2)]
    gpu = parsed(placement(price, 7, device="gpu").text())
    assert [(g.kind, g.count) for g in gpu.instance_group] == [(ModelInstanceGroup.KIND_GPU, 1)]


def test_a_classifier_has_labels(risk: Path) -> None:
    placed = placement(risk, 3)
    labels = {tensor.name: tensor.label_filename for tensor in parsed(placed.text()).output}
    assert labels == {"risk_prediction": "", "risk_probabilities": "3/labels.txt"}
    assert placed.files["3/labels.txt"].decode().split() == [*CLASSES]


def test_warm_up_is_a_typical_row(price: Path) -> None:
    placed = placement(price, 7)
    (warmup,) = parsed(placed.text()).model_warmup
    held = {name: placed.files[f"warmup/{sample.input_data_file}"] for name, sample in warmup.inputs.items()}
    assert struct.unpack("<d", held["age"]) == (41.5,)
    assert struct.unpack("<3d", held["history"]) == (1.5, 1.5, 1.5)
    assert held[CITY] == b"\x04\x00\x00\x00" + "süd".encode()


def tampered(folder: Path, **changed: int) -> onnx.ModelProto:
    graph = onnx.load(folder / "model.onnx")
    graph.ir_version = changed.get("IR", graph.ir_version)
    for opset in graph.opset_import:
        opset.version = changed.get(opset.domain or "ai.onnx", opset.version)
    return graph


@pytest.mark.parametrize("changed", [{"ai.onnx": 26}, {"ai.onnx.ml": 6}, {"IR": 14}])
def test_graphs_that_are_too_new(price: Path, changed: dict[str, int]) -> None:
    ((what, version),) = changed.items()
    with pytest.raises(UserError) as caught:
        releases.check(tampered(price, **changed), "26.05")
    assert str(caught.value) == (
        f"the graph's {what} {version} is too new for Triton 26.05, whose onnxruntime 1.24.4 takes {version - 1}: "
        "deploy a newer release, or export with an older one"
    )


def test_a_newer_release_takes_more(price: Path) -> None:
    releases.check(tampered(price, **{"ai.onnx": 26}), "26.08")
    assert set(releases.RELEASES.values()) == set(releases.LIMITS)


def test_unknown_release(price: Path) -> None:
    with pytest.raises(UserError, match=r"^Triton '24\.01' is not known here \(known: 26\.05, 26\.08\): choose"):
        placement(price, 1, release="24.01")
    assert settings(release=26.10).release == "26.10"  # as YAML reads it


@pytest.mark.parametrize("name", ["größe", "my model", "..", ".hidden", "a?b"])
def test_names_that_triton_does_not_find(tmp_path: Path, name: str) -> None:
    folder = write_servable(tmp_path / "s", name=name)
    with pytest.raises(UserError, match=r"cannot be a model of Triton: letters, digits and \. _ - make its name$"):
        placement(folder, 1)


def test_versions_stand_beside_each_other(tmp_path: Path, price: Path) -> None:
    repository = ModelRepository(tmp_path / "models", "house")
    assert (repository.versions, repository.pointer) == ([], None)
    for number in (9, 10, 2):
        repository.add(placement(price, number))
    assert repository.versions == [10, 9, 2]
    assert repository.pointer is None  # nothing is served by being there
    assert (tmp_path / "models/house/9/model.onnx").read_bytes() == (price / "model.onnx").read_bytes()
    repository.point(repository.config(9))
    assert repository.pointer is not None
    assert list(parsed(repository.pointer).version_policy.specific.versions) == [9]
    assert repository.prune(2, served=2) == [9]
    assert repository.versions == [10, 2]
    assert not (tmp_path / "models/house/warmup/9").exists()
    assert repository.prune(1, served=2) == [10]
    repository.point(None)
    assert repository.pointer is None


def test_settings_of_a_version_may_change_and_its_graph_may_not(tmp_path: Path, price: Path, risk: Path) -> None:
    repository = ModelRepository(tmp_path, "house")
    repository.add(placement(price, 1))
    repository.add(placement(price, 1, max_batch_size=8))
    assert parsed(repository.config(1)).max_batch_size == 8
    with pytest.raises(
        UserError, match=r"house/1/model\.onnx is another graph: remove .+, or name another repository$"
    ):
        repository.add(placement(risk, 1))
    assert (tmp_path / "house/1/model.onnx").read_bytes() == (price / "model.onnx").read_bytes()


def test_what_a_kill_left_behind(tmp_path: Path, price: Path) -> None:
    for left in ("house/.3.0a1b2c3d", "house/warmup/.3.0a1b2c3d", "house/warmup/3"):
        (tmp_path / left).mkdir(parents=True)
        (tmp_path / left / "half").write_text("half")
    ModelRepository(tmp_path, "house").add(placement(price, 3))
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"house/3/model.onnx", "house/3/config.pbtxt", *(f"house/warmup/3/{i}" for i in range(7))}


def test_what_a_kill_leaves_of_a_version_that_goes(
    tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half of it stands among the others, and it can be put there again."""
    repository = ModelRepository(tmp_path, "house")
    for number in (1, 2):
        repository.add(placement(price, number))

    def killed(folder: Path) -> None:
        (folder / "model.onnx").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            repository.prune(1, served=2)
    assert repository.versions == [2]
    repository.add(placement(price, 1))
    assert repository.versions == [2, 1]
    assert {path.name for path in (tmp_path / "house").iterdir()} == {"1", "2", "warmup"}
    assert repository.prune(1, served=2) == [1]


def test_one_at_a_time(tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    with ModelRepository(tmp_path / "models", "house").locked():
        with pytest.raises(UserError, match=r"^another process changes .*house: wait until it has ended$"):
            triton(composed("triton", f"reference={price}", "version=1", "repository=models"))
        with ModelRepository(tmp_path / "models", "other").locked():
            assert not (tmp_path / "models/house").exists()


def test_the_verb_without_a_server(tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    for number in range(1, 6):
        triton(composed("triton", f"reference={price}", f"version={number}", "repository=models", "keep=2"))
    repository = ModelRepository(tmp_path / "models", "house")
    assert repository.versions == [5, 4]
    assert repository.pointer == repository.config(5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["version=null"], ": add version=<number>"),
        (["version=0"], "config: version: Input should be greater than or equal to 1, not 0"),
        (
            ["version=1", "sync=true"],
            "config: sync=true needs a server: add server=<host>:<port>, or set TRITON_SERVER",
        ),
        (
            ["version=1", "sync=true", "server=a:1", "poll_seconds=5"],
            "config: poll_seconds follows an alias: it needs sync=true and reference=models:/<name>@<alias>",
        ),
        (
            ["reference=models:/house@prod", "poll_seconds=5"],
            "config: poll_seconds follows an alias: it needs sync=true and reference=models:/<name>@<alias>",
        ),
        (["version=1", "poll_seconds=0"], "config: poll_seconds: Input should be greater than 0, not 0"),
        (["version=1", "device=tpu"], "config: device: Input should be 'cpu' or 'gpu', not 'tpu'"),
        (["version=1", "release=24.01"], "Triton '24.01' is not known here"),
        (["version=1", "server=ftp://x:1"], "server: give <host>:<port>, or https://<host>:<port>, not 'ftp://x:1'"),
        (["version=1", "server=localhost"], "server: give <host>:<port>, or https://<host>:<port>, not 'localhost'"),
        (["version=1", "server=a:b"], "server: give <host>:<port>, or https://<host>:<port>, not 'a:b'"),
        (["version=1", "server=a:65536"], "server: give <host>:<port>, or https://<host>:<port>, not 'a:65536'"),
        (["version=1", "server=a:0"], "server: give <host>:<port>, or https://<host>:<port>, not 'a:0'"),
        (
            ["version=1", "server='http://me:s3cret@a:80'"],
            "give <host>:<port>, or https://<host>:<port>, not '***@a:80'",
        ),
        (
            ["version=1", "control_key='s3cret\n'"],
            "config: control_key: it holds a line break or another control character",
        ),
    ],
)
def test_mistakes(
    tmp_path: Path, price: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], message: str
) -> None:
    monkeypatch.delenv("TRITON_SERVER", raising=False)
    monkeypatch.chdir(make_project(tmp_path))
    with pytest.raises(UserError) as caught:
        triton(composed("triton", f"reference={price}", "repository=models", *overrides))
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "models/house").exists()


@pytest.mark.parametrize("name", ["TRITON_SERVER", "TRITON_CONTROL_KEY"])
def test_no_test_meets_a_server_of_the_machine(name: str) -> None:
    """It would load the models of tests."""
    check_cleared(name)


def places(monkeypatch: pytest.MonkeyPatch, folder: Path, *overrides: str) -> Any:
    monkeypatch.chdir(make_project(folder))
    config = validate(PromoteConfig, composed("promote", "version=1", "to=prod", *overrides))
    return config.promotion.prod.gates["deployable"]["places"]


def test_the_gates_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path))
    own = f"+promotion.staging.gates.mine._target_={PACKAGE}.promotion.gates.ContractGate"
    promotion = validate(PromoteConfig, composed("promote", "version=1", "to=prod", own)).promotion
    assert list(promotion.prod.gates) == ["contract", "parity", "quality", "provenance", "deployable"]
    assert list(promotion.staging.gates) == [*promotion.prod.gates, "mine"]


def test_the_gates_have_triton_among_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_SERVER", "127.0.0.1:8000")
    (node,) = places(monkeypatch, tmp_path).values()
    assert node["_target_"] == f"{PACKAGE}.integrations.triton.place.TritonPlace"
    assert (node["server"], node["release"], node["max_batch_size"]) == ("127.0.0.1:8000", "26.08", 1024)


@pytest.mark.parametrize("key", ["a${b}", "${oc.env:HOME}", "???", "0123", "s3cret"])
def test_a_key_reaches_the_place_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TRITON_CONTROL_KEY", key)
    (node,) = places(monkeypatch, tmp_path).values()
    held = build(node)._settings.control_key
    assert held.get_secret_value() == key
    assert key not in repr(held)


class Service(DeployableGate):
    """The gate with a service that is always well."""

    def _service(self, case: Any) -> Any:
        return Verdict(True, "the service was ready", {"seconds_to_ready": 1.0})


def test_a_server_that_nobody_names_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_SERVER", raising=False)
    node = places(monkeypatch, tmp_path)
    verdict = Service(1.0, node).check(case(write_candidate(tmp_path / "c")))
    assert verdict.passed
    said = "not asked, since TRITON_SERVER names no server"
    assert verdict.reason == f"the service was ready; triton: {said}"
    off = Service(1.0, {"triton": None}).check(case(tmp_path / "c"))
    assert (off.passed, off.reason) == (True, "the service was ready; triton: switched off")


def test_a_server_that_is_not_there_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_SERVER", "127.0.0.1:9")
    verdict = Service(1.0, places(monkeypatch, tmp_path)).check(case(write_candidate(tmp_path / "c")))
    assert not verdict.passed
    assert verdict.figures == {"seconds_to_ready": 1.0}
    assert "; triton: no Triton answers at 127.0.0.1:9 (" in verdict.reason


def test_a_wrong_setting_of_the_place_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^config: servers is not a key that is known here"):
        TritonPlace(**settings().model_dump(), servers="x")
    with pytest.raises(UserError, match=r"^config: max_batch_size: Input should be"):
        TritonPlace(**settings().model_dump() | {"max_batch_size": 0})


ODD_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
    b"SSH-2.0 hello\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<html></html>",
    b'HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n{"detail":"Not Found"}',
    b'HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"name":"x","extensions":["a"]}',
]


@pytest.mark.parametrize("answer", ODD_ANSWERS)
def test_whatever_answers_where_no_triton_is(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(UserError) as caught:
            Server(address, 10).check()
        thread.join()
    assert str(caught.value).startswith((address, f"no Triton answers at {address} (connection closed.)"))
    assert str(caught.value).endswith((": is that Triton's HTTP door?", "name another server"))
    assert len(str(caught.value).splitlines()) == 1


def test_texts_travel_as_they_are() -> None:
    sent = np.array([["grün".encode(), b""], ["日本".encode(), b"a\nb"]], object)
    assert _decoded(sent).tolist() == [["grün", ""], ["日本", "a\nb"]]


def test_a_local_server_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match=r"^there is no uv: run make setup first$"):
        environment.install(tmp_path / "local")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text("#!/bin/sh\necho some\necho 'no such package' >&2\nexit 2\n")
    (tmp_path / "bin/uv").chmod(0o755)
    with pytest.raises(UserError, match=r"^the local tritonserver cannot be installed \(no such package\)$"):
        environment.install(tmp_path / "local")
    assert not (tmp_path / "local/installed.txt").exists()  # so the next start installs again
    monkeypatch.setattr(environment.platform, "machine", lambda: "arm64")
    with pytest.raises(UserError, match=r"runs on Linux on x86-64 alone: use the release image$"):
        environment.install(tmp_path / "local")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--http", "8000"], "argument --http: give HOST:PORT, not '8000'"),
        (["--grpc", ":8001"], "argument --grpc: give HOST:PORT, not ':8001'"),
        (["--http", "127.0.0.1"], "argument --http: give HOST:PORT, not '127.0.0.1'"),
        (["--http", "127.0.0.1:65536"], "argument --http: give HOST:PORT, not '127.0.0.1:65536'"),
        (["--repository", "taken"], "error: taken: File exists"),
        (["--install"], "error: .+/taken: File exists"),
    ],
)
def test_mistakes_at_the_local_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    """Whatever they are, no server starts, which might be one for all of the machine's addresses."""
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    monkeypatch.setenv(environment.VARIABLE, "taken")
    if "--repository" in arguments:
        monkeypatch.setattr(local, "install", lambda folder: None)
    monkeypatch.setattr(sys, "argv", ["local", *arguments])
    with pytest.raises(SystemExit) as caught:
        local.main()
    assert caught.value.code not in (0, None)
    assert re.search(message + "$", capsys.readouterr().err.strip() or str(caught.value.code))


def test_a_door_that_is_taken_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "install", lambda folder: None)
    with socket.socket() as taken, socket.socket() as free:
        for door in (taken, free):
            door.bind(("127.0.0.1", 0))
        taken.listen()
        doors = [f"127.0.0.1:{door.getsockname()[1]}" for door in (free, taken)]
        free.close()
        arguments = ["--repository", str(tmp_path / "models"), "--http", doors[0], "--grpc", doors[1]]
        monkeypatch.setattr("sys.argv", ["local", *arguments])
        said = rf"^error: cannot listen on {doors[1]} \(Address already in use\): set --grpc$"
        with pytest.raises(SystemExit, match=said):
            local.main()


def test_a_folder_for_several_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    assert environment.home() == tmp_path / ".triton"
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "shared"))
    assert environment.home() == tmp_path / "shared"
