"""One way to MLflow's client: the store is named by configuration alone, and what it answers is put into one line."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..ports import UnreachableError, UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

RETRIES, TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"

for name, value in {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",  # a servable holds no pickle
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",  # a server's links into its store may lead nowhere from here
    RETRIES: "3",  # some 15 seconds; MLflow's own seven are three minutes
}.items():
    os.environ.setdefault(name, value)


SQLITE = "sqlite:///"
UNREACHABLE = re.compile(
    r"Max retries exceeded|Connection|[Tt]imed out|failed with error code 5|too many 5|\b5\d\d Server Error"
    r"|database is locked|could not connect|could not translate host name"
)
"""What MLflow's client and its drivers say of a store that does not answer, is busy, or answers 5xx."""


class ForbiddenError(UserError):
    """The store does not let this account do that."""


def client(tracking_uri: str) -> "MlflowClient":
    """A client of the store that `tracking_uri` names: sqlite, or a server over HTTP."""
    import mlflow

    with one_line(tracking_uri):
        mlflow.set_tracking_uri(tracking_uri)  # models:/ addresses are resolved against the global setting
        with _alone_at_first(tracking_uri):
            store = mlflow.MlflowClient()
            if tracking_uri.startswith(SQLITE):
                store.search_experiments(max_results=1)
        return store


def ask_once(seconds: int) -> None:
    """From now on, ask a server once and wait `seconds` for it: for a caller that asks again by itself."""
    os.environ.update({RETRIES: "0", TIMEOUT: str(seconds)})


@contextmanager
def asking_once(seconds: int) -> Iterator[None]:
    """As `ask_once`, within the block alone: for a caller whose requests must not come late."""
    before = {name: os.environ.get(name) for name in (RETRIES, TIMEOUT)}
    ask_once(seconds)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _alone_at_first(tracking_uri: str) -> Iterator[None]:
    """One process at a time while the embedded store's tables are made: two at once leave it broken for good."""
    database = Path(tracking_uri.removeprefix(SQLITE))
    lock = database.with_name(f"{database.name}.lock")
    if not tracking_uri.startswith(SQLITE) or (database.exists() and not lock.exists()):
        yield
        return
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        lock.unlink(missing_ok=True)


def shown(tracking_uri: str) -> str:
    """The store's address without the password in it."""
    return re.sub(r"//[^/]*@", "//***@", tracking_uri)


@contextmanager
def one_line(tracking_uri: str) -> Iterator[None]:
    """Turn the errors of MLflow and its drivers into a UserError that names the store.

    Raises:
        ForbiddenError: the account may not do it.
        UnreachableError: the store does not answer, or answers that it cannot at present (HTTP 5xx).
        UserError: anything else.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except UserError:
        raise
    except Exception as error:  # MLflow's, SQLAlchemy's, a missing driver's: no common base
        text = (str(error).splitlines() or [type(error).__name__])[0].replace(tracking_uri, shown(tracking_uri))
        if isinstance(error, MlflowException) and error.error_code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            raise ForbiddenError(f"MLflow at {shown(tracking_uri)}: {text}") from None
        if UNREACHABLE.search(str(error)):
            hint = "no answer: is the server running, and MLFLOW_TRACKING_URI right?"
            raise UnreachableError(f"MLflow at {shown(tracking_uri)}: {hint}") from error
        raise UserError(f"MLflow at {shown(tracking_uri)}: {text}") from error
