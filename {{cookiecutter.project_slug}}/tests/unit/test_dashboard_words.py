"""Numbers, counts and labels as the pages write them."""

import pytest

from {{ cookiecutter.project_slug }}.schemas.contract import Column, Contract, Target

from deployment.dashboards import words
from deployment.dashboards.answers import Answer


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (67.76875, "67.769"), (1234567.891, "1,234,567.89"), (152000.0, "152,000"), (1e-7, "1e-07"),
     (1e20, "1e+20"), (-23456.789, "-23,456.79"), (123456789.5, "123,456,790")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert words.number(value) == text


def test_counts() -> None:
    assert [words.rows(count) for count in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]


def test_labels_that_are_numbers() -> None:
    target = Target(name="code", kind="classification", classes=(90210, 12345), deviation=0.5)
    contract = Contract(name="m", columns=(Column(name="a", kind="number"),), targets=(target,))
    answer = Answer({"code_prediction": [90210], "code_probabilities": {"90210": [0.75], "12345": [0.25]}}, {})
    assert answer.fits(contract)
    (headline,) = answer.headlines(contract)
    assert (headline.value, headline.probabilities) == ("90210", {"90210": 0.75, "12345": 0.25})
