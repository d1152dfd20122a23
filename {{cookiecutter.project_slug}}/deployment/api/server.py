"""Ends without dropping a request: readiness says no, the balancer turns away, what is in flight is finished."""

import gc
import os
import signal
import socket
import time
from types import FrameType

import uvicorn
from loguru import logger

from .app import Service


class DrainingServer(uvicorn.Server):
    """uvicorn with a drain.

    SIGTERM: readiness answers 503 while everything else is answered for `serving.drain_seconds`; then nothing more is
    accepted, and what is in flight has `serving.finish_seconds`. Ctrl-C leaves the first part out. A second signal ends
    the process at once.

    Args:
        app: the application.
    """

    def __init__(self, app: Service) -> None:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=False,
            timeout_keep_alive=app.config.keep_alive_seconds, timeout_graceful_shutdown=app.config.finish_seconds,
        )  # fmt: skip
        super().__init__(config)
        self._app = app
        self._end: float | None = None
        self._told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer; what is loaded by now stays, and is no concern of the garbage collector any more."""
        gc.collect()
        gc.freeze()  # a full collection over all libraries' objects would halt every request for a tenth of a second
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; says nothing, since the signal may have come in the midst of a log line."""
        if self._app.state.draining:
            end_at_once(sig, frame)
        self._app.state.draining = True
        if sig == signal.SIGTERM:
            self._end = time.monotonic() + self._app.config.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to stop accepting; asked ten times a second."""
        if self._end is not None and not self._told:
            self._told = True
            logger.info("draining for {:g} s: /health/ready answers 503", self._app.config.drain_seconds)
        drained = self._end is not None and time.monotonic() >= self._end
        return await super().on_tick(counter) or drained


def end_at_once(sig: int, frame: FrameType | None) -> None:
    """End by the signal; the first process of a container, which no signal kills, ends as if it had been killed."""
    del frame
    signal.signal(sig, signal.SIG_DFL)
    os.kill(os.getpid(), sig)
    os._exit(128 + sig)
