"""Where every prediction problem of `config/` keeps its runs and its versions."""

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.utils.verb import one_line


def problems(project: Path) -> list[tuple[str, str]]:
    """Experiment and registered model: the default ones, and those that an experiment of `config/` names instead.

    Raises:
        UserError: a file cannot be read.
    """
    default, found = project / "config/mlflow/default.yaml", []
    for path in (default, *sorted((project / "config/experiment").glob("*.yaml"))):
        try:
            own = {} if path == default else OmegaConf.select(OmegaConf.load(path), "mlflow") or {}
            names = OmegaConf.merge(OmegaConf.load(default), own)
            found.append((str(names.experiment), str(names.model)))
        except (OmegaConfBaseException, YAMLError, AttributeError, ValueError) as error:
            raise UserError(
                f"{path.relative_to(project)} does not say under which names MLflow keeps it: {one_line(error)}"
            ) from None
    return list(dict.fromkeys(found))
