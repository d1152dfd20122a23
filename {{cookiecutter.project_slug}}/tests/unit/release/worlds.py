"""What release tags are judged by: a registry in memory, and a question that must not change it."""

from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.cli.moving import open_lifecycle
from {{ cookiecutter.project_slug }}.cli.tagging import asked
from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import validate
from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.schemas.promotion import PromoteConfig

from tests.project import composed
from tests.registries import MemoryRegistry
from tests.servables import write_servable

MODEL = "Release\n\nModel: models:/m/2\n"
ANEW = "delete the tag, and make it with `make release`"


class World(MemoryRegistry):
    """Two versions of `m`, trained from the first commit of the repository in the working directory."""

    def __init__(self, folder: Path, status: str = "FINISHED", **provenance) -> None:
        write_servable(folder, name="m")
        super().__init__(2, {"1": folder, "2": folder})
        self.status = status
        self.made_from(**provenance)

    def made_from(self, **provenance) -> None:
        contract = Contract.read(self._folders["1"])
        made_from = contract.provenance.model_copy(update=provenance)
        text = contract.model_copy(update={"provenance": made_from}).to_json()
        (self._folders["1"] / "contract.json").write_text(text, encoding="utf-8")

    def run_status(self, version) -> str:
        return self.status


def ask(world, name: str, *overrides: str):
    config = validate(PromoteConfig, composed("promote", f"tag={name}", "promotion.ci=test", *overrides))
    return asked(config, world, lambda model: open_lifecycle(config.promotion, world, model))


def refusal(world, name: str, *overrides: str) -> str:
    before = world.state()
    with pytest.raises(UserError) as caught:
        ask(world, name, *overrides)
    assert world.state() == before
    return str(caught.value)
