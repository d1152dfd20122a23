"""checkov over what is deployed: each of its rules is followed, or skipped in the file that breaks it, with a reason.

It has some hundred dependencies, with pins: an environment of its own keeps it out of the projects and of the template.
"""

import json
import re
from collections.abc import Callable

import pytest
from baking import Bake
from options import EVERYTHING, Answers
from uv import find_uv_bin

MakeBake = Callable[..., Bake]
CHECKOV = "checkov>=3.2,<4"
SKIP = re.compile(r"checkov:skip=(\w+)(?::\s*(.*))?")


@pytest.mark.slow
@pytest.mark.parametrize("answers", EVERYTHING, ids=["streamlit", "nicegui"])
def test_dockerfiles(bake: MakeBake, answers: Answers) -> None:
    project = bake(**answers)
    files = {name for name in project.files() if name.endswith(".Dockerfile")}
    assert len(files) == 4
    command = ["tool", "run", "--from", CHECKOV, "checkov", "--framework", "dockerfile", "--skip-download"]
    printed = project.run(
        find_uv_bin(), *command, "--directory", "deployment/docker", "--output", "json", "--soft-fail",
        UV_NO_PROGRESS="1",
    )  # fmt: skip
    found = json.loads(printed[printed.index("{") :])["results"]
    assert [f"{one['check_id']} {one['file_path']}: {one['check_name']}" for one in found["failed_checks"]] == []
    assert {one["file_path"].removeprefix("/") for one in found["passed_checks"]} == {
        name.removeprefix("deployment/docker/") for name in files
    }
    for name in files:
        assert all(reason for _, reason in SKIP.findall(project.text(name))), name
