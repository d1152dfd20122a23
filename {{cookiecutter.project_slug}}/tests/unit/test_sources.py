"""Fetching: named by fingerprint, once, checked, and nothing half-written."""

import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.data.sources import FileSource, ScikitLearnSource, UrlSource
from {{ cookiecutter.project_slug }}.ports import UserError

TABLE = b"a,b\n1,x\n2,y\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one table, one that breaks off, and nothing else."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/gone"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(TABLE) + (100 if self.path.startswith("/broken") else 0)))
        self.end_headers()
        self.wfile.write(TABLE)

    def log_message(self, *arguments):
        """Be quiet."""


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Handler.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_url_is_downloaded_once_and_named_by_its_fingerprint(address, tmp_path):
    source = UrlSource(f"{address}/table.csv?token=1", DIGEST)
    path = source.fetch(tmp_path, "table")
    assert path == tmp_path / f"table-{DIGEST[:16]}.csv"
    assert path.read_bytes() == TABLE
    assert source.fetch(tmp_path, "table") == path
    assert Handler.asked == ["/table.csv?token=1"]


def test_a_damaged_copy_is_downloaded_again(address, tmp_path):
    source = UrlSource(f"{address}/table.csv", DIGEST)
    source.fetch(tmp_path, "table").write_bytes(b"damaged")
    assert source.fetch(tmp_path, "table").read_bytes() == TABLE


@pytest.mark.parametrize(
    ("path", "digest", "message"),
    [
        ("/table.csv", "0" * 64, rf"/table\.csv has sha256 {DIGEST}, data\.source\.sha256 is 0+: it has changed$"),
        ("/gone.csv", DIGEST, r"^cannot download http://.*/gone\.csv: 404 .*; or set data\.path to a copy$"),
        ("/broken.csv", DIGEST, r"^cannot download http://.*/broken\.csv: .*; or set data\.path to a copy$"),
    ],
)
def test_a_download_that_fails_leaves_nothing(address, tmp_path, path, digest, message):
    with pytest.raises(UserError, match=message) as caught:
        UrlSource(f"{address}{path}", digest).fetch(tmp_path, "table")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_down(tmp_path):
    with pytest.raises(
        UserError, match=r"^cannot download http://127\.0\.0\.1:9/t\.csv: .*; or set data\.path to a copy$"
    ):
        UrlSource("http://127.0.0.1:9/t.csv", DIGEST).fetch(tmp_path, "table")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_copied_under_the_fingerprint_of_its_bytes(tmp_path):
    (tmp_path / "own.csv").write_bytes(TABLE)
    folder = tmp_path / "raw"
    path = FileSource(str(tmp_path / "own.csv")).fetch(folder, "own")
    assert (path.name, path.read_bytes()) == (f"own-{DIGEST[:16]}.csv", TABLE)
    (tmp_path / "own.csv").write_bytes(TABLE + b"3,z\n")
    assert FileSource(str(tmp_path / "own.csv")).fetch(folder, "own") != path
    assert path.read_bytes() == TABLE


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.csv", "data.path: there is no file {}"), ("own.xlsx", "data.path: {} is neither .csv nor .parquet")],
)
def test_a_file_that_cannot_be_a_table(tmp_path, name, message):
    (tmp_path / "own.xlsx").touch()
    with pytest.raises(UserError) as caught:
        FileSource(str(tmp_path / name)).fetch(tmp_path / "raw", "own")
    assert str(caught.value) == message.format(tmp_path / name)


def test_diabetes_comes_in_real_units_and_the_same_bytes_each_time(tmp_path):
    source = ScikitLearnSource("diabetes", "progression")
    path = source.fetch(tmp_path, "diabetes")
    lines = path.read_text().splitlines()
    assert lines[0] == "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6,progression"
    assert lines[1].split(",")[:4] == ["59.0", "2.0", "32.1", "101.0"]
    assert len(lines) == 443
    stamp = path.stat().st_mtime_ns
    assert source.fetch(tmp_path, "diabetes") == path
    assert path.stat().st_mtime_ns == stamp


def test_classes_are_written_by_their_names(tmp_path):
    path = ScikitLearnSource("breast_cancer", "diagnosis").fetch(tmp_path, "cancer")
    labels = [line.rpartition(",")[2] for line in path.read_text().splitlines()[1:]]
    assert (labels.count("malignant"), labels.count("benign")) == (212, 357)


def test_a_table_that_scikit_learn_does_not_bring(tmp_path):
    with pytest.raises(UserError, match=r"^scikit-learn brings no table named 'nope'$"):
        ScikitLearnSource("nope", "y").fetch(Path(tmp_path), "nope")
