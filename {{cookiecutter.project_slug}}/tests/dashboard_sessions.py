"""A user's session for a test; a row and a table that are given to it, and the row's price."""

from typing import Any

from deployment.dashboards.session import Services, Session
from tests.dashboards import Thread, settings
from tests.servables import CITY, ROWS, expected

ENTERED = {
    "age": 30, "rooms per house": 3, "is.new": "true", "seen at": "2020-09-13T12:26:40Z", CITY: "süd", "income": 4.25,
    "id": "a-1",
}  # fmt: skip
FILE = b'age,rooms per house,is.new,seen at,"gr\xc3\xb6\xc3\x9fe ""lage""",income,id\n' + b"\n".join(
    [b"30,3,true,2020-09-13T12:26:40Z,s\xc3\xbcd,4.25,a-1", b"old,,,,,,a-2", b"40,,,,nord,,a-3"]
)


def session(running: Thread, **changed: Any) -> Session:
    made = Session(Services(settings(running.url, **changed)))
    made.look()
    return made


def price(**changed: Any) -> float:
    row = {name: cell for name, cell in ROWS[0].items() if name != "history"} | changed
    return float(expected([row], wide=False)["price_prediction"][0, 0])
