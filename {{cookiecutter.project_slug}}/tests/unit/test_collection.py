"""What is collected is run: workers of pytest-xdist are told the ids of tests, and run the first one of each."""

from collections import Counter

import pytest


def test_no_two_tests_have_one_id(request: pytest.FixtureRequest) -> None:
    counted = Counter(item.nodeid for item in request.session.items)
    assert [name for name, count in counted.items() if count > 1] == []
