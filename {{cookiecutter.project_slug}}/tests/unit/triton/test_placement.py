"""What Triton is told of a servable, and which graphs and names it would not take."""

import struct
from pathlib import Path

import onnx
import pytest
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

from {{ cookiecutter.project_slug }}.integrations.triton import releases
from {{ cookiecutter.project_slug }}.ports import UserError

from tests.servables import CITY, CLASSES, write_servable
from tests.tritons import parsed, placement, settings


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
