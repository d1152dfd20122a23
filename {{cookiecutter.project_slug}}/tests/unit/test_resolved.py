"""A run's `config.yaml` is read back as the configuration that trained it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.config import TrainConfig, validate
from {{ cookiecutter.project_slug }}.schemas.resolved import config_digest, read_resolved
from {{ cookiecutter.project_slug }}.utils.verb import compose

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "config/experiment").glob("*.yaml"))


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def resolved(*overrides: str) -> tuple[TrainConfig, str]:
    """A configuration, and the text that `train` keeps of it."""
    cfg = compose("train", list(overrides))
    container = OmegaConf.to_container(cfg, resolve=True)
    return validate(TrainConfig, cfg), OmegaConf.to_yaml(OmegaConf.create(container))


@pytest.mark.parametrize("overrides", [
    *([f"experiment={name}"] for name in EXPERIMENTS),
    ["description='1e-5'", "trainer.learning_rate=1e-5", "features.exclude=['2020-01-01', 'größe']"],
])  # fmt: skip
def test_what_is_kept_is_what_trained(overrides):
    config, text = resolved(*overrides)
    assert read_resolved(text) == config
    assert config_digest(read_resolved(text)) == config_digest(config)


def test_the_digest_is_of_what_decides_the_model():
    one, _ = resolved()
    for same in ("data.path=elsewhere.csv", "description=other", "trainer.checkpoints=null", "mlflow.register=false"):
        assert config_digest(resolved(same)[0]) == config_digest(one)
    for other in ("seed=1", "model=linear", "features.scale=robust", "trainer.max_epochs=1", "data.split.heldout=0.3"):
        assert config_digest(resolved(other)[0]) != config_digest(one)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "config.yaml is not YAML: while parsing a flow node"),
        ("a: 1", "config: data is not set"),
        ("", "config: Input should be a valid dictionary or instance of TrainConfig, not None"),
    ],
)
def test_what_is_no_configuration_is_refused(text, message):
    with pytest.raises(UserError) as caught:
        read_resolved(text)
    assert str(caught.value) == message
