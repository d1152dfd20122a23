"""The resolved configuration of a training: what of it decides the model, and how it is read back from a run."""

import hashlib
import json

import yaml

from ..ports import UserError
from .config import TrainConfig, checked

CONFIG_FILE = "config.yaml"
"""The artifact of a run that holds its resolved configuration."""


def config_digest(config: TrainConfig) -> str:
    """sha256 of what decides the model: data, features, model, trainer and seed, without where files lie."""
    decisive = config.model_dump(
        mode="json",
        include={"data", "features", "model", "trainer", "seed"},
        exclude={
            "data": {"path", "source", "raw_dir", "processed_dir"},
            "trainer": {"checkpoints", "resume"},
            "model": {"trainer"},
        },
    )
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def read_resolved(text: str) -> TrainConfig:
    """The configuration in a run's `config.yaml`.

    Raises:
        UserError: it is not YAML, or not a configuration that this code knows.
    """
    try:
        return checked(TrainConfig, yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UserError(f"{CONFIG_FILE} is not YAML: {str(error).splitlines()[0]}") from None
