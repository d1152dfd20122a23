"""The gate on security, on a version's directory as the registry keeps it."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import shutil
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion import pickles
from {{ cookiecutter.project_slug }}.promotion.pickles import is_pickle
from {{ cookiecutter.project_slug }}.promotion.report import judge
from {{ cookiecutter.project_slug }}.promotion.security import SecurityGate, _check_graph

from tests.candidates import as_model, case, write_candidate


class Calls:
    """What a pickle can do."""

    def __reduce__(self):
        return print, ("this runs",)


PICKLE = pickle.dumps(Calls())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return as_model(write_candidate(tmp_path_factory.mktemp("security") / "b"))


@pytest.fixture
def asked(tmp_path, kept):
    shutil.copytree(kept, tmp_path / "model")
    return case(tmp_path / "model")


def refusal(asked) -> str:
    verdict = judge({"security": SecurityGate()}, asked)["security"]
    assert not verdict.passed
    assert len(verdict.reason.splitlines()) == 1
    return verdict.reason


def test_a_version_as_it_is_registered_passes(asked):
    (asked.candidate.folder / "registered_model_meta").write_text("model_name: house\n")  # as a download has it
    verdict = SecurityGate().check(asked)
    assert verdict.passed
    assert verdict.reason.startswith("15 files are accounted for, none is a pickle; ")


@pytest.mark.parametrize("name", ["weights.pkl", "code/state.bin", "feature_tables/x.parquet"])
def test_a_pickle_is_refused(asked, name):
    path = asked.candidate.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(PICKLE)
    assert refusal(asked) == f"{name} is a pickle, which runs code when it is loaded: train again without it"


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/").replace("_", ".")), content)
    return held.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the bytes are in the test's name, which is the same in every process


def array(values: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.save(held, values, allow_pickle=True)
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[("state", pickle.dumps(Calls(), protocol)) for protocol in range(6)],
        *[("state", pickle.dumps({"größe": Calls()}, protocol)) for protocol in range(2)],
        ("state", zipped(archive__data_pkl=b"")),  # torch.save
        ("state", zipped(archive__state=PICKLE)),
        *[("state", pack(PICKLE)) for pack in (gzipped, bz2.compress, lzma.compress, zlib.compress)],
        ("state.joblib", b""),
        ("state.PT", b""),
        ("state.npy", array(np.array([Calls()], object))),
        ("state", array(np.array([Calls()], object))),
    ],
)
def test_pickles_are_found(name, content):
    assert is_pickle(name, content)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"a": 1}\n', b"x^2 + 1", b"x\x9cnot packed", b"PK\x03\x04damaged", b"BZh9", b"\x80 is no protocol",
     zipped(notes_txt=b"hello"), gzipped(b"hello"), gzipped(b"hello")[:-9], "größe".encode(),
     b"channels:\n- conda-forge\ndependencies:\n", b"python: 3.11.7\n"],
)  # fmt: skip
def test_other_files_are_no_pickles(content):
    assert not is_pickle("file", content)


def test_what_packs_too_much_is_refused(asked, monkeypatch):
    content = PICKLE
    for _ in range(5):
        content = zipped(state=content)
    (asked.candidate.folder / "notes.txt").write_bytes(content)
    assert refusal(asked) == (
        "notes.txt cannot be looked into (more than 3 archives within each other): train again without it"
    )
    monkeypatch.setattr(pickles, "UNPACKED", 1 << 20)
    (asked.candidate.folder / "notes.txt").write_bytes(zipped(a=bytes(1 << 19), b=bytes(1 + (1 << 19))))
    assert "notes.txt cannot be looked into (more than 1 MiB when it is unpacked)" in refusal(asked)


def test_a_file_that_nobody_accounts_for(asked):
    (asked.candidate.folder / "notes.txt").write_text("hello")
    assert refusal(asked).startswith("notes.txt is neither in the contract nor of MLflow's format")


def test_code_that_nobody_accounts_for(asked):
    (asked.candidate.folder / "code/sitecustomize.py").write_text("print('this runs')")
    assert refusal(asked).startswith("code/sitecustomize.py is neither in the contract nor of MLflow's format")


def test_a_link_is_no_file(asked):
    (asked.candidate.folder / "notes.txt").symlink_to("/etc/hostname")
    assert refusal(asked) == "notes.txt is a link: a version holds files; train again"


def test_code_that_was_changed(asked):
    (path,) = asked.candidate.folder.glob("code/*/values.py")
    path.write_text(path.read_text() + "print('this runs')\n")
    assert refusal(asked).endswith("/values.py is not this project's wire encoding: promote it with the code that "
                                   "trained it, or train again")  # fmt: skip
    path.unlink()
    assert "/values.py is not this project's wire encoding" in refusal(asked)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  onnx:\n", "  sklearn: {}\n  onnx:\n", "has the flavour sklearn too, which nobody has checked: train again"),
        ("loader_module: servable", "loader_module: mlflow.sklearn #", "loads something else than the graph"),
        ("data: model.onnx", "data: other.onnx", "loads something else than the graph by its wire encoding"),
        ("    code: code\n    data: .", "    code: lib\n    data: .", "loads something else than the graph"),
        ("  onnx:\n", "  keras:\n", "does not have the flavours onnx and python_function: train again"),
        ("flavors:", "flavors: [", "does not have the flavours onnx and python_function: train again"),
        ("flavors:", "flavours:", "does not have the flavours onnx and python_function: train again"),
    ],
)
def test_another_way_to_load_it(asked, old, new, message):
    path = asked.candidate.folder / "MLmodel"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert refusal(asked).startswith(f"MLmodel {message}")


def test_a_servable_without_the_registrys_format(tmp_path):
    asked = case(write_candidate(tmp_path / "b"))
    assert refusal(asked) == "there is no MLmodel: register the version with this project's code"


@pytest.mark.parametrize("tag", ["0" * 64, None])
def test_a_contract_that_is_not_the_registered_one(asked, tag):
    tags = {**asked.version.tags, "contract.sha256": tag}
    told = replace(asked, version=replace(asked.version, tags={k: v for k, v in tags.items() if v}))
    assert refusal(told) == "the version's tag contract.sha256 is not the sha256 of its contract: train again"


def graph(tmp_path: Path, nodes, *, opsets=(("", 20),), constants=(), functions=()) -> Path:
    value = helper.make_tensor_value_info
    made = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, ["N", 1])],
                             [value("y", TensorProto.FLOAT, ["N", 1])], constants)  # fmt: skip
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid(*opset) for opset in opsets], functions=functions
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def branch(name: str, node) -> onnx.GraphProto:
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])])


def elsewhere(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


NEG = helper.make_node("Neg", ["x"], ["y"])
CUSTOM = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
CONDITION = helper.make_node("Constant", [], ["c"], value_int=1)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"nodes": [CUSTOM], "opsets": [("", 20), ("com.microsoft", 1)]}, "uses the domain 'com.microsoft': only oper"),
        ({"nodes": [NEG], "opsets": [("", 20), ("ai.onnx.training", 1)]}, "uses the domain 'ai.onnx.training'"),
        ({"nodes": [helper.make_node("If", ["x"], ["y"], then_branch=branch("a", NEG), else_branch=branch("b", CUSTOM))]},
         "uses the domain 'com.microsoft'"),
        ({"nodes": [helper.make_node("Mine", ["x"], ["y"])]}, "uses Mine, which is not an operator of ONNX"),
        ({"nodes": [NEG], "functions": [helper.make_function("local", "F", ["x"], ["y"], [NEG], [])]},
         "uses the domain 'local'"),
        ({"nodes": [NEG], "functions": [helper.make_function("", "F", ["x"], ["y"], [CUSTOM], [])]},
         "uses the domain 'com.microsoft'"),
        ({"nodes": [NEG], "constants": [elsewhere("w")]}, "keeps w in another file: export it whole"),
        ({"nodes": [helper.make_node("Constant", [], ["y"], value=elsewhere(""))]}, "keeps a constant in another file"),
        ({"nodes": [helper.make_node("If", ["x"], ["y"], then_branch=branch("a", NEG), else_branch=branch(
            "b", helper.make_node("Constant", [], ["y"], value=elsewhere("v"))))]}, "keeps v in another file"),
        ({"nodes": [helper.make_node("Constant", [], ["y"], sparse_value=onnx.SparseTensorProto(
            values=elsewhere("s"), dims=[1]))]}, "keeps s in another file"),
    ],
)  # fmt: skip
def test_graphs_with_more_than_onnx_itself(tmp_path, made, message):
    with pytest.raises(UserError) as caught:
        _check_graph(graph(tmp_path, **made))
    assert str(caught.value).startswith(f"model.onnx {message}")


def test_operators_of_onnx_are_counted(tmp_path):
    spelled = helper.make_node("Neg", ["x"], ["y"], domain="ai.onnx")
    inner = helper.make_node("If", ["x"], ["z"], then_branch=branch("a", NEG), else_branch=branch("b", NEG))
    assert _check_graph(graph(tmp_path, [spelled, inner], opsets=[("ai.onnx", 20), ("ai.onnx.ml", 3)])) == 4


def test_the_document_of_the_digests_is_the_engines(asked):
    """The contract names no file of MLflow's format, so that what is accounted for twice is a mistake here."""
    document = json.loads((asked.candidate.folder / "contract.json").read_text())
    assert not {"MLmodel", "conda.yaml"} & set(document["digests"])
