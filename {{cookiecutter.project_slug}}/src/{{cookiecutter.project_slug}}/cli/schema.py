"""`schema`: writes the description of a table of your own, with what it guessed and why."""

from typing import TYPE_CHECKING

from ..utils.verb import run_verb

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ..data.inspection import Inspection
    from ..schemas.guesses import SchemaConfig


def schema(cfg: "DictConfig") -> "Inspection":
    """Look `path` over, and write `config/data/<name>.yaml` and `config/experiment/<name>.yaml`.

    Raises:
        UserError: the file or the target cannot be used, or one of the two files is there already.
    """
    from pathlib import Path

    from ..data.description import data_yaml, experiment_yaml
    from ..data.inspection import inspect
    from ..data.sides import shares_for
    from ..inference.tables import read_table
    from ..ports import UserError
    from ..schemas.config import validate
    from ..schemas.guesses import SchemaConfig
    from ..utils.files import taken, write_new

    config = validate(SchemaConfig, cfg)
    data, experiment = (Path("config", group, f"{config.name}.yaml") for group in ("data", "experiment"))
    for path in (data, experiment):
        if path.exists():
            raise UserError(taken(path))
    if Path(config.path).suffix not in (".csv", ".parquet"):
        raise UserError(f"{config.path} is neither .csv nor .parquet: save the table as one of them")
    table = read_table(Path(config.path))
    found = inspect(table, config)
    shares = shares_for(table, data_yaml(found, config, None), Path("config/data/base.yaml"))
    write_new({data: data_yaml(found, config, shares), experiment: experiment_yaml(found, config)})
    _summarise(found, config)
    print(f"\nwritten: {data}, {experiment}")
    print(f'next: make prepare ARGS="experiment={config.name}", then make train ARGS="experiment={config.name}"')
    return found


def _summarise(found: "Inspection", config: "SchemaConfig") -> None:
    """What was guessed, and what to look at."""
    classes = f" into {len(found.target.classes)} classes" if found.target.classes else ""
    task = f"{found.target.task} of {config.target!r}{classes}"
    print(f"{config.path}: {found.rows} rows, {len(found.columns)} columns; {task}")
    if found.trainable < found.rows:
        print(f"{found.rows - found.trainable} rows have no target and are left out of training")
    print()
    width = min(40, max(len(column.name) for column in found.columns)) + 2
    for column in found.columns:
        role = "target" if column.name == config.target else "left out" if column.left_out else column.role
        print(f"  {column.name:<{width}}{role:<10}{column.kind:<10}{column.why}")
    looks = [column for column in found.columns if column.look]
    if looks:
        print("\nlook at")
    for column in looks:
        print(f"  {column.name}: {column.look}")


if __name__ == "__main__":
    run_verb("schema", schema)
