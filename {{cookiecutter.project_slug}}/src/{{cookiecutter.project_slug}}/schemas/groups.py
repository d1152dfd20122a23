"""What all config groups are."""

from typing import Any

from pydantic import BaseModel, ConfigDict

Component = dict[str, Any]
"""A `_target_` with its arguments."""


class Group(BaseModel):
    """Base of all groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)
