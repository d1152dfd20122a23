"""Whether one contract may take another's place."""

import pytest

from {{ cookiecutter.project_slug }}.schemas.compatibility import incompatibility
from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Target

PRICE = Target(name="price", kind="regression", deviation=1.0)
RISK = Target(name="price", kind="classification", classes=("high", "low"), deviation=1.0)
AGE = Column(name="age", kind="number")
CITY = Column(name="city", kind="category", missing=False)
ID = Column(name="id", kind="category", role="key")


def contract(*columns: Column, target: Target = PRICE) -> Contract:
    return Contract(name="m", columns=columns, targets=(target,))


BEFORE = contract(AGE, CITY, ID)


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        contract(ID, CITY, AGE),
        contract(AGE, CITY.model_copy(update={"missing": True}), ID),
        contract(AGE.model_copy(update={"range": (0.0, 1.0), "unit": "years"}), CITY, ID),
        contract(AGE, CITY, ID, Column(name="new", kind="number")),
        contract(AGE, CITY, ID, Column(name="new", kind="category", role="key", missing=False)),
        contract(AGE, CITY, ID, target=PRICE.model_copy(update={"deviation": 2.0, "unit": "$"})),
    ],
)
def test_compatible(after):
    assert incompatibility(after, BEFORE) is None


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (contract(AGE, CITY, ID, target=RISK), "target 'price' has another kind or other classes"),
        (contract(AGE, CITY, ID, target=PRICE.model_copy(update={"name": "rent"})), "target 'price' is gone"),
        (contract(CITY, ID), "column 'age' is gone"),
        (contract(AGE, CITY), "column 'id' is gone"),
        (contract(AGE.model_copy(update={"kind": "integer"}), CITY, ID), "column 'age' was number and is now integer"),
        (contract(AGE.model_copy(update={"width": 3}), CITY, ID), "column 'age' was number and is now number of width 3"),
        (contract(AGE.model_copy(update={"role": "key"}), CITY, ID), "column 'age' was number and is now key"),
        (contract(AGE.model_copy(update={"missing": False}), CITY, ID), "column 'age' may no longer be missing"),
        (contract(AGE, CITY, ID, Column(name="new", kind="number", missing=False)), "column 'new' is new and may not be missing"),
    ],
)  # fmt: skip
def test_not_compatible(after, reason):
    assert incompatibility(after, BEFORE) == reason
    assert incompatibility(BEFORE, BEFORE) is None


def test_classes_count():
    other = RISK.model_copy(update={"classes": ("high", "low", "none")})
    assert incompatibility(contract(target=other), contract(target=RISK)) is not None
