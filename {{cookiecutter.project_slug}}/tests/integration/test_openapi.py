"""The OpenAPI document against the service, in a process of its own: see tests/openapi_requests.py.

Hypothesis draws constants from every module that is loaded, so that beside the other tests the requests would be others
each time; now and then they took all memory.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.project import ROOT

pytestmark = pytest.mark.slow


def test_every_operation_answers_as_the_document_says() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/openapi_requests.py"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
    assert re.search(r"^[3-9]\d passed in ", done.stdout, re.MULTILINE), done.stdout[-2_000:]
