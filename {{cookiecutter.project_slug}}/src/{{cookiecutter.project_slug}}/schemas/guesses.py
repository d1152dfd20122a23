"""`config/schema.yaml`: which table is described, and what decides the guesses."""

import re
from typing import Literal

from pydantic import Field, field_validator

from .config import LoggingConfig
from .groups import Group

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""Of what is a file, an experiment and a registered model, and no number or word of YAML."""
WORDS = ("base", "false", "inf", "nan", "no", "null", "off", "on", "true", "yes")
"""Names that mean something else on the command line or in `config/data/`."""


class SchemaConfig(Group):
    """`config/schema.yaml`."""

    path: str
    target: str = Field(coerce_numbers_to_str=True)
    name: str
    task: Literal["regression", "classification"] | None
    least_rows: int = Field(ge=1)
    classes: int = Field(ge=2)
    few: int = Field(ge=1)
    rows_per_level: int = Field(ge=1)
    class_rows: int = Field(ge=1)
    leak: float = Field(gt=0, le=1)
    leak_rows: int = Field(ge=100)
    linear_below: int = Field(ge=0)
    logging: LoggingConfig

    @field_validator("name")
    @classmethod
    def _names_files(cls, name: str) -> str:
        if not NAME.fullmatch(name) or name.lower() in WORDS:
            raise ValueError(f"{name!r} cannot be a name: begin with a letter, go on with letters, digits, - and _")
        return name

    @field_validator("path", "target")
    @classmethod
    def _is_plain(cls, text: str) -> str:
        if "${" in text or text == "???":
            raise ValueError(f"{text!r} means something else in a configuration: rename it")
        return text
