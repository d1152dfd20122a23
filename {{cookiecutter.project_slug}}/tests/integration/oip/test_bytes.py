"""Tensors in bytes: any are answered or refused, and those that lie about their length are found out."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from deployment.api.dialects.oip_answers import packed
from deployment.api.dialects.oip_bytes import texts
from tests.oip import INFER, LENGTH, as_bytes, as_json, ask, changed, tensors
from tests.servables import CITY, ROWS


def test_bytes_that_lie(price: TestClient, folder: Path) -> None:
    head, tail = as_bytes(tensors(folder, ROWS))
    whole, length = head + tail, len(head)
    assert price.post(INFER, content=whole, headers={LENGTH: str(length)}).status_code == 200

    def refused(body: bytes, given: object) -> str:
        status, answer = ask(price, body, inference_header_content_length=str(given))
        assert status == 400
        return str(answer["error"])

    assert refused(whole[:-1], length) == "input 'income' should have 40 bytes after the JSON, 39 are left"
    assert refused(whole + b"x", length) == "1 bytes are left after the last tensor: check the sizes of the inputs"
    for odd in (0, -1, len(whole) + 1, "x", "1e3", "9" * 40, ""):
        assert refused(whole, odd).startswith("Inference-Header-Content-Length must be between 1 and the ")
    for odd in (1, length - 1, length + 1):
        assert refused(whole, odd).startswith("the request is not JSON: ")
    inputs = as_json(tensors(folder, ROWS))
    for size, detail in [
        (True, "input 'age': binary_data_size must be a number of bytes, not true"),
        (-8, "input 'age': binary_data_size must be a number of bytes, not -8"),
        (39, "input 'age' has 39 bytes, its shape says 40"),
        (41, "input 'age' should have 41 bytes after the JSON, 40 are left"),
    ]:
        document = changed("age", data=None, parameters={"binary_data_size": size})([dict(i) for i in inputs])
        raw = json.dumps(document).encode()
        assert refused(raw + tail[: min(40, int(size)) if size == 39 else 40], len(raw)) == detail
    document = changed(CITY, data=None, parameters={"binary_data_size": 12})([dict(i) for i in inputs])
    raw = json.dumps(document).encode()
    for chunk, detail in [
        (b"\x04\0\0\0abcd\x05\0\0\0", "ends within value 1: send a length of four bytes, then the text"),
        (b"\xff\xff\xff\xffabcdabcd", "ends within value 0: send a length of four bytes, then the text"),
        (b"\0\0\0\0\x04\0\0\0abcd", "has 2 values, its shape says 5"),
    ]:
        assert refused(raw + chunk, len(raw)) == f"input {CITY!r} {detail}"
    document = changed(CITY, data=None, parameters={"binary_data_size": 25})([dict(i) for i in inputs])
    raw = json.dumps(document).encode()
    chunk = b"\x01\0\0\0a" * 4 + b"\x01\0\0\0\xff"
    assert refused(raw + chunk, len(raw)) == f"input {CITY!r} must be UTF-8, value 4 is " + r"b'\xff'"


@pytest.fixture(scope="module")
def halves(folder: Path) -> tuple[bytes, bytes]:
    """A request that is answered: its JSON, and the bytes after it."""
    return as_bytes(tensors(folder, ROWS))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, 2_000),
    patch=st.binary(max_size=60),
    at=st.integers(0, 2_000),
    length=st.one_of(st.none(), st.integers(-5, 5), st.integers(0, 2_000).map(lambda n: 10_000 + n)),
)
def test_any_bytes_are_answered_or_refused(
    price: TestClient, halves: tuple[bytes, bytes], cut: int, patch: bytes, at: int, length: int | None
) -> None:
    """A request with a piece cut out, other bytes put in, and a header that may lie."""
    head, tail = halves
    whole = head + tail
    odd = whole[:at] + patch + whole[at + cut :]
    given = len(head) + (length or 0) if length is None or length < 10_000 else length - 10_000
    response = price.post(INFER, content=odd, headers={LENGTH: str(given)})
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert len(response.json()["error"].splitlines()) == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), max_size=20))
def test_texts_survive_the_way_there_and_back(given: list[str]) -> None:
    chunk = packed(np.array(given, object).reshape(-1, 1), "BYTES")
    assert texts(chunk, len(given), "input 'x'") == given
