"""The two files of a prediction problem, `config/data/<name>.yaml` and `config/experiment/<name>.yaml`, as texts."""

import re
from pathlib import Path
from textwrap import wrap

import yaml
from omegaconf import DictConfig, OmegaConf

from ..schemas.config import validate
from ..schemas.contract import MISSING_TOKENS
from ..schemas.data import DataConfig
from ..schemas.guesses import SchemaConfig
from .guesses import Guess
from .inspection import Inspection

MARK = "# guessed:"
"""What every guess in the file is marked with."""


PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
"""Texts that YAML and OmegaConf read as they are, but for words such as `no`."""


def data_yaml(found: Inspection, config: SchemaConfig, shares: tuple[float, float] | None) -> str:
    """`config/data/<name>.yaml`.

    Args:
        found: the guesses.
        config: name, path and target.
        shares: of validation and of the held-out rows, where those of base.yaml do not do.
    """
    target = found.target
    task = f"task: {target.task}" + ("" if config.task else f"  {MARK} {_comment(target.column.why)}")
    lines = [
        f"# {_comment(config.target)} of {_comment(config.path)}: {found.rows} rows, {len(found.columns)} columns.",
        "# Made by the verb schema. Read what is marked with guessed, correct it, and take the mark away.",
        "defaults:",
        "  - base",
        "  - _self_",
        "",
        f"name: {config.name}",
        f"path: {_scalar(config.path)}",
        f"target: {_scalar(config.target)}",
        task,
    ]
    if found.trainable < found.rows:
        lines.append(f"drop_missing_target: true  {MARK} {found.rows - found.trainable} of {found.rows} rows have none")
    if found.marks:
        tokens = ", ".join(_quoted(token) for token in (*MISSING_TOKENS, *found.marks))
        named = ", ".join(map(repr, found.marks))
        lines.append(f"missing_tokens: [{tokens}]  {MARK} {_comment(named)} added to the usual ones")
    lines.append("columns:")
    for column in found.columns:
        lines += _column(column, is_target=column.name == config.target)
    return "\n".join([*lines, *_split(found, shares)]) + "\n"


def _column(column: Guess, *, is_target: bool) -> list[str]:
    look = wrap(f"look: {_comment(column.look)}", 112, subsequent_indent="      ") if column.look else []
    lines = [f"  # {line}" for line in look]
    if column.left_out:
        return [*lines, f"  {MARK} {_comment(repr(column.name))} is left out: {_comment(column.why)}"]
    entry = [f"kind: {column.kind}"]
    if column.role != "feature":
        entry.append(f"role: {column.role}")
    if column.missing and column.role == "feature" and not is_target:
        entry.append("missing: true")
    return [*lines, f"  {_scalar(column.name)}: {{{', '.join(entry)}}}  {MARK} {_comment(column.why)}"]


def _split(found: Inspection, shares: tuple[float, float] | None) -> list[str]:
    lines = []
    group = next((column.name for column in found.columns if column.group), None)
    if group is not None or shares:
        lines.append("split:")
    if group is not None:
        lines.append(f"  by: [{_scalar(group)}]  {MARK} its rows belong together, since it repeats")
    if shares:
        lines.append(f"  validation: {shares[0]}  {MARK} the table is small, and a side would be empty")
        lines.append(f"  heldout: {shares[1]}")
    if found.moments:
        time = next(column.name for column in found.columns if column.role == "time")
        instead = "in place of the split above" if lines else "instead"
        lines += [
            f"# To hold out the latest rows {instead}, which is closer to how a model is used:",
            "# split:",
            "#   method: time",
            f"#   column: {_scalar(time)}",
            f"#   validation_from: {found.moments[0]}",
            f"#   heldout_from: {found.moments[1]}",
        ]
    return lines


def experiment_yaml(found: Inspection, config: SchemaConfig) -> str:
    """`config/experiment/<name>.yaml`."""
    small = found.trainable < config.linear_below
    model, why = ("linear", "fewer") if small else ("lightgbm", "no fewer")
    described = f"{config.target} of {Path(config.path).name}"
    return "\n".join(
        [
            "# @package _global_",
            f"# {_comment(described)}.",
            "defaults:",
            f"  - override /data: {config.name}",
            f"  - override /model: {model}  {MARK} {why} than {config.linear_below} rows; see config/model/ for others",
            "",
            f"description: {_scalar(described)}",
            "mlflow:",
            f"  experiment: {config.name}",
            f"  model: {config.name}",
            "",
        ]
    )


def composed(text: str, base: Path) -> DataConfig:
    """The configuration that Hydra makes of `data_yaml` and of `config/data/base.yaml`, checked.

    Raises:
        UserError: it does not fit together.
    """
    own = yaml.safe_load(text)
    del own["defaults"]
    merged = OmegaConf.merge(OmegaConf.load(base), OmegaConf.create(own))
    assert isinstance(merged, DictConfig)
    return validate(DataConfig, merged)


def _scalar(text: str) -> str:
    """A text as YAML: bare where it cannot be read as anything else, else in double quotes."""
    if PLAIN.fullmatch(text) and isinstance(yaml.safe_load(text), str):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    quoted: str = yaml.safe_dump(text, allow_unicode=True, default_style='"', width=float("inf"))
    return quoted.removesuffix("\n")


def _comment(text: str) -> str:
    """A text in one line of printable characters."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
