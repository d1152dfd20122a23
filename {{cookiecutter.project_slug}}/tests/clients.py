"""A client of the service in this process; requests by hand; what is logged and counted of them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from deployment.api.app import Service, create_app
from tests.servables import ROWS, serving

BODY = {"records": ROWS[:1]}
RAW = json.dumps(BODY).encode()


def client(folder: Path, **changed: Any) -> TestClient:
    return TestClient(create_app(serving(folder, **changed)), raise_server_exceptions=False)


def access(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record.get("logger") == "access"]


def sample(client: TestClient, name: str, /, **labels: str) -> float | None:
    """One value of /metrics."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [s for family in families for s in family.samples if s.name == name and s.labels == labels]
    return samples[0].value if samples else None


async def ask(app: Service, chunks: list[bytes], wait: float = 0.0, length: int | None = None) -> tuple[int, Any, Any]:
    """One request by hand: status, headers, body; `wait` seconds before each chunk; never the last one's end."""
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "query_string": b""}
    left, sent = list(chunks), []

    async def receive() -> Any:
        await asyncio.sleep(wait)
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or wait > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return 0, {}, b""
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])
