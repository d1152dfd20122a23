"""`GET /model/promotion`: what the gates found about the version that is served, read from the registry."""

import asyncio
import json
from typing import Any

import orjson
from fastapi import Request, Response

from {{ cookiecutter.project_slug }}.inference.references import Resolved
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import UnreachableError, UserError
from {{ cookiecutter.project_slug }}.schemas.serving import ServingConfig

from .exchange import JSON, RefusedRequestError


class Promotions:
    """Reads the report of a version and its alias once; however many ask for it, the registry is asked by one thread.

    Args:
        config: names the registry.
    """

    def __init__(self, config: ServingConfig) -> None:
        self._registry = MlflowRegistry(config.tracking_uri)
        self._known: tuple[Resolved, bytes] | None = None
        self._asked: tuple[Resolved, asyncio.Task[bytes]] | None = None

    async def answer(self, request: Request) -> Response:
        """The report that let the served version have its alias, as JSON; 404 where there is none."""
        resolved: Resolved = request.app.served.resolved
        known = self._known
        if known is None or known[0] is not resolved:
            known = self._known = resolved, await self._read_once(resolved)
        return Response(known[1], media_type=JSON)

    async def _read_once(self, resolved: Resolved) -> bytes:
        if self._asked is None or self._asked[0] is not resolved or self._asked[1].done():
            self._asked = resolved, asyncio.create_task(asyncio.to_thread(self._read, resolved))
        try:
            return await asyncio.shield(self._asked[1])  # one client that leaves takes nothing from the others
        except UnreachableError as error:
            raise RefusedRequestError(503, str(error), "unready") from None
        except UserError as error:
            raise RefusedRequestError(404, str(error), "unknown") from None

    def _read(self, resolved: Resolved) -> bytes:
        """The report's JSON.

        Raises:
            UnreachableError: the registry does not answer.
            UserError: there is no report.
        """
        if resolved.version is None:
            raise UserError(f"{resolved.reference} is a directory: only versions of the registry pass gates")
        name, number = resolved.version.name, resolved.version.version
        if resolved.alias is None:
            raise UserError(f"{resolved.reference} names no alias: serve an alias to see what its gates found")
        version = self._registry.find(f"models:/{name}/{number}")  # its tags as they are now
        _, _, page = version.tags.get(f"promotion.{resolved.alias}", "").partition(": ")
        text = self._registry.attached(version, f"{page.removesuffix('.md')}.json") if page else None
        if text is None:
            what = f"version {number} of {name} for {resolved.alias}"
            raise UserError(f"no gates have judged {what}, or no report is kept")
        try:
            report: Any = json.loads(text)
        except json.JSONDecodeError:
            raise UserError(f"{page}: the report of version {number} of {name} is not JSON") from None
        return orjson.dumps(report)
