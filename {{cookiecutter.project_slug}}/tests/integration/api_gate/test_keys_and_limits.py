"""API keys, and limits of bytes and rows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import ServeConfig, validate
from {{ cookiecutter.project_slug }}.utils.verb import compose

from deployment.api.app import create_app
from tests.clients import BODY, RAW, ask, client, sample
from tests.project import ROOT
from tests.servables import serving

KEY = "s3cret-kéy"


def test_keys(folder: Path, records: list[dict[str, Any]]) -> None:
    app = create_app(serving(folder, api_keys=f"{KEY}, other,"))
    asked = TestClient(app)
    secret = KEY.encode()
    for headers in ({"X-API-Key": secret}, {"Authorization": b"Bearer " + secret}, {"Authorization": "bearer other"}):
        assert asked.post("/predict", json=BODY, headers=headers).status_code == 200
        assert asked.get("/model", headers=headers).status_code == 200
    wrong: list[Any] = [
        {}, {"X-API-Key": ""}, {"X-API-Key": "othe"}, {"X-API-Key": "others"}, {"X-API-Key": "other,"},
        {"Authorization": "other"}, {"Authorization": "Basic other"}, {"Authorization": "Bearer "},
        {"X-API-Key": "no", "Authorization": "Bearer other"},
    ]  # fmt: skip
    for headers in wrong:
        for response in (asked.post("/predict", content=b"{", headers=headers), asked.get("/model", headers=headers)):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["detail"].startswith("this service asks for an API key: send it as X-API-Key")
    assert {asked.get(path).status_code for path in ("/docs", "/openapi.json", "/nowhere")} == {401}
    assert {asked.get(path).status_code for path in ("/health/live", "/health/ready", "/metrics")} == {200}
    assert sample(asked, "serving_refusals_total", reason="key") == 2 * len(wrong) + 3
    assert KEY not in str(records) + repr(app.config) + asked.get("/model", headers={"X-API-Key": "other"}).text
    document = asked.get("/openapi.json", headers={"X-API-Key": "other"}).json()
    assert set(document["components"]["securitySchemes"]) == {"X-API-Key", "Bearer"}
    assert document["paths"]["/predict"]["post"]["security"] == [{"X-API-Key": []}, {"Bearer": []}]
    assert "security" not in document["paths"]["/health/live"]["get"]


def test_no_keys_no_words_of_them(folder: Path) -> None:
    document = client(folder).get("/openapi.json").json()
    assert "securitySchemes" not in document.get("components", {})
    assert "security" not in document["paths"]["/predict"]["post"]


@pytest.mark.parametrize("keys", ["", " ", ",", " , "])
def test_keys_that_are_none_are_a_mistake(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SERVING_API_KEYS", keys)
    with pytest.raises(UserError, match=r"^config: serving.api_keys: holds no key: set SERVING_API_KEYS to keys"):
        validate(ServeConfig, compose("serve", []))
    monkeypatch.setenv("SERVING_API_KEYS", KEY)
    with pytest.raises(UserError) as caught:
        validate(ServeConfig, compose("serve", ["serving.max_rows=0"]))
    assert KEY not in str(caught.value)


def test_limits_of_bytes_and_rows(folder: Path) -> None:
    asked = client(folder, max_body_bytes=2000, max_rows=3)
    row = {"age": 1}
    assert asked.post("/predict", json={"records": [row] * 3}).status_code == 200
    response = asked.post("/predict", json={"records": [row] * 4})
    assert (response.status_code, response.json()["detail"]) == (
        413, "the request has 4 rows, 3 are allowed: send fewer at a time",
    )  # fmt: skip
    assert asked.post("/predict", json={"columns": {"age": [1] * 4}}).status_code == 413
    text = "the body has more than 2000 bytes: send fewer rows at a time"
    exact = json.dumps({"records": [row]}).encode().ljust(2000)
    assert asked.post("/predict", content=exact).status_code == 200
    response = asked.post("/predict", content=exact + b" ")
    assert (response.status_code, response.json()["detail"]) == (413, text)
    response = asked.post("/predict", content=iter([exact, b" "]))  # chunked: the length is not known before
    assert (response.status_code, response.json()["detail"]) == (413, text)
    assert response.headers["connection"] == "close"
    assert asked.post("/predict", content=iter([exact[:500], exact[500:]])).status_code == 200
    assert sample(asked, "serving_refusals_total", reason="bytes") == 2
    assert sample(asked, "serving_refusals_total", reason="rows") == 2


def test_a_length_beyond_the_limit_is_refused_before_the_body(folder: Path) -> None:
    app = create_app(serving(folder, body_seconds=60))
    status, _, _ = asyncio.run(asyncio.wait_for(ask(app, [RAW], wait=30, length=10**12), timeout=20))
    assert status == 413
