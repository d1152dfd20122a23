"""What runs in the registry's container for a backup: objects out as an archive, and in again; the store is a folder."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from deployment.docker.stack import backup

BOTO3 = """
import datetime, os, pathlib
ROOT = pathlib.Path(os.environ["STORE"])
class Client:
    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self
    def paginate(self, Bucket):
        for path in sorted((ROOT / Bucket).rglob("*")):
            if path.is_file():
                when = datetime.datetime.now(datetime.UTC)
                yield {"Contents": [{"Key": path.relative_to(ROOT / Bucket).as_posix(), "LastModified": when}]}
        yield {}
    def get_object(self, Bucket, Key):
        path = ROOT / Bucket / Key
        return {"ContentLength": path.stat().st_size, "Body": path.open("rb")}
    def upload_fileobj(self, file, bucket, key):
        path = ROOT / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.read())
def client(name, endpoint_url):
    assert (name, endpoint_url) == ("s3", "http://store")
    return Client()
"""
OBJECTS = {
    "1/models/m-1/artifacts/model.onnx": b"x" * 3000,
    "1/models/m-1/artifacts/contract.json": b"{}",
    "empty": b"",
}


def run(store: Path, verb: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The code as the container runs it, over a store of its own."""
    (store.parent / "boto3.py").write_text(BOTO3)
    variables = {
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://bucket", "MLFLOW_S3_ENDPOINT_URL": "http://store",
        "STORE": str(store), "PYTHONPATH": str(store.parent),
    }  # fmt: skip
    command = [sys.executable, "-c", backup.CODE, verb, backup.LAST]
    return subprocess.run(command, env=os.environ | variables, input=given, capture_output=True)


def held(store: Path) -> dict[str, bytes]:
    """Its objects."""
    files = [path for path in (store / "bucket").rglob("*") if path.is_file()]
    return {path.relative_to(store / "bucket").as_posix(): path.read_bytes() for path in files}


def starts(archive: bytes) -> list[int]:
    """Where each member begins."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [member.offset for member in tar.getmembers()]


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """All OBJECTS, as they are handed out."""
    for name, content in OBJECTS.items():
        path = tmp_path / "full/bucket" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = run(tmp_path / "full", "out")
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_what_goes_out_comes_in(archive: bytes, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == [*sorted(OBJECTS), backup.LAST]
    done = run(tmp_path / "new", "in", archive)
    assert (done.returncode, done.stderr) == (0, b"")
    assert held(tmp_path / "new") == OBJECTS


def test_an_empty_store_too(tmp_path: Path) -> None:
    done = run(tmp_path / "none", "out")
    assert run(tmp_path / "new", "in", done.stdout).returncode == 0
    assert held(tmp_path / "new") == {}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stream_that_ends_between_two_objects(archive: bytes, tmp_path: Path, count: int) -> None:
    """That is an archive, too: only the number that lacks tells."""
    done = run(tmp_path / "new", "in", archive[: starts(archive)[count]])
    assert done.returncode == 1
    told = f"error: the archive was cut off on its way: {count} objects came, and it says None\n"
    assert done.stderr.decode() == told


@pytest.mark.parametrize("beyond", [100, 2000])
def test_a_stream_that_ends_within_an_object(archive: bytes, tmp_path: Path, beyond: int) -> None:
    done = run(tmp_path / "new", "in", archive[: starts(archive)[1] + beyond])
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: the archive was cut off on its way: ")
    assert done.stderr.count(b"\n") == 1


def test_an_object_that_lacks(archive: bytes, tmp_path: Path) -> None:
    done = run(tmp_path / "new", "in", archive[starts(archive)[1] :])
    assert done.returncode == 1
    assert done.stderr.decode() == "error: the archive was cut off on its way: 2 objects came, and it says 3\n"
