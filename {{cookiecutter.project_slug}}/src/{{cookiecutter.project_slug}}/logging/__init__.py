"""Loguru for everything: the standard library's logging and warnings go through it, to the console or as JSON."""

import datetime
import inspect
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

    from ..schemas.config import LoggingConfig

try:
    import orjson
except ImportError:  # outside the service
    orjson = None  # type: ignore[assignment]

CONSOLE = "<green>{time:HH:mm:ss}</green> <level>{level: <7}</level> {message}"
IN_FILE = "{time:YYYY-MM-DD HH:mm:ss} {level: <7} {name} {message}"
BARE = "{message}"
"""Loguru's own format takes time, and JSON lines are made from the record."""
QUIET = {
    "alembic": "WARNING",
    "asyncio": "WARNING",
    "lightning.fabric": "WARNING",
    "lightning.pytorch": "WARNING",
    "matplotlib": "WARNING",
    "mlflow": "WARNING",
    "mlflow.utils.environment": "ERROR",  # misses pip in an environment that uv made
    "mlflow.utils.requirements_utils": "ERROR",
    "onnxscript": "WARNING",
    "urllib3": "ERROR",  # every retry; the last one is an error of its own
}
"""Libraries, and from which level on their lines tell a user of this project something."""


CONTEXT: ContextVar[dict[str, object]] = ContextVar("context", default={})  # noqa: B039
"""Values that every line written in this context bears, such as the id of the request that it belongs to."""
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
_json_lines: list[Callable[[str], object]] = []
"""Where JSON lines of the level INFO go."""
_waiting: list[str] = []
"""Events that are not written yet."""


class _Intercept(logging.Handler):
    """Hands records of the standard library to Loguru, with the caller's place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        logger.opt(depth=depth, exception=record.exc_info).bind(logger=record.name).log(level, record.getMessage())


def _as_text(message: "Message") -> None:
    sys.stderr.write(message)


def _json_writers(path: str | None) -> Iterator[Callable[[str], object]]:
    """What writes a line to stderr, and what writes it to a file."""
    yield lambda line: sys.stderr.write(line + "\n")
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115
        yield lambda line: file.write(line + "\n")


def _with_context(record: "Record") -> None:
    record["extra"].update(CONTEXT.get())


def event(message: str, **fields: object) -> bool:
    """One INFO line about one of very many events, under the logger `fields["logger"]`.

    What `logger.bind(**fields).info(message)` writes, at a tenth of the price where lines are JSON: it is then kept
    until `flush_events`, since one write for many lines costs as much as one for one.

    Returns:
        Whether the line waits to be flushed.
    """
    if not _json_lines:
        logger.bind(**fields).info(message)
        return False
    now = datetime.datetime.now(datetime.UTC).isoformat()
    document = {"time": now, "level": "INFO", "logger": fields.pop("logger"), "message": message, **fields}
    _waiting.append(orjson.dumps(document, default=str).decode() if orjson else _encode(document))
    return True


def flush_events() -> None:
    """Write the lines that wait; called by the thread that calls `event`."""
    if _waiting:
        lines = "\n".join(_waiting)
        _waiting.clear()
        for write in _json_lines:
            write(lines)


def format_json(message: "Message") -> str:
    """One record as a line of JSON: time (ISO 8601, UTC), level, logger, message, bound values, error and traceback."""
    record = message.record
    document = {
        "time": record["time"].astimezone(datetime.UTC).isoformat(),
        "level": record["level"].name,
        "logger": record["extra"].get("logger", record["name"]),
        "message": record["message"],
        **{key: value for key, value in record["extra"].items() if key != "logger"},
    }
    error = record["exception"].value if record["exception"] is not None else None
    if error is not None:
        document["exception"] = repr(error)
        document["traceback"] = "".join(traceback.format_exception(error))
    return _encode(document)


def configure(config: "LoggingConfig") -> None:
    """Send all logging and all warnings to one place; calling it again replaces what was set before."""
    logger.remove()
    logger.configure(patcher=_with_context)
    _json_lines.clear()
    # diagnose would write the values of variables, rows and keys among them, beside a traceback
    if config.format == "console":
        logger.add(_as_text, level=config.level, format=CONSOLE, colorize=sys.stderr.isatty(), diagnose=False)
        if config.file is not None:
            logger.add(config.file, level=config.level, format=IN_FILE, diagnose=False)
    else:
        for write in _json_writers(config.file):
            logger.add(lambda message, write=write: write(format_json(message)), level=config.level, format=BARE)
            if config.level in ("DEBUG", "INFO"):
                _json_lines.append(write)
    logging.basicConfig(handlers=[_Intercept()], level=config.level, force=True)
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "0"
    for name in {*logging.root.manager.loggerDict, *QUIET}:
        intercept(name)
    warnings.showwarning = _show_warning
    if config.level != "DEBUG":  # what a library will change one day is its authors' concern
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)


def intercept(name: str) -> None:
    """Take a library's own handlers away; for one that brings them when it is imported, after the import."""
    logging.getLogger(name).handlers.clear()
    logging.getLogger(name).propagate = True
    if name in QUIET:
        logging.getLogger(name).setLevel(QUIET[name])


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    del file, line
    logger.bind(logger="warnings").warning(f"{category.__name__}: {message} ({filename}:{lineno})")
