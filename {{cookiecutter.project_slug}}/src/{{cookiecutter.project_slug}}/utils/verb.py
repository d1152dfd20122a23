"""Wraps every entry point: Hydra composes the configuration from `config/`; a mistake is one line and exit code 1."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ports import UserError
from .interruption import lose_none
from .overrides import unknown_key

if TYPE_CHECKING:
    from omegaconf import DictConfig

QUOTING = """quote its value, as in 'data.path="a (b).csv"'; within make, ARGS="data.path='\\"a (b).csv\\"'\""""
"""How an override is written that Hydra's grammar does not take as it is."""
Verb = Callable[["DictConfig"], Any]


def run_verb(name: str, function: Verb, *, stops_on_sigterm: bool = True) -> None:
    """Run `function` with `config/<name>.yaml` of the working directory and the overrides of the command line.

    `HYDRA_FULL_ERROR=1` shows a mistake's whole traceback.

    Args:
        name: of the verb.
        function: takes the composed configuration.
        stops_on_sigterm: whether SIGTERM is an interruption like Ctrl-C; false where the function has a way of its own.
    """
    import hydra

    config = Path.cwd() / "config"
    if not (config / f"{name}.yaml").is_file():
        sys.exit(f"error: there is no config/{name}.yaml in {Path.cwd()}: run this from the project's root")
    verbose = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's own report has five to seven lines

    def task(cfg: "DictConfig") -> None:
        from ..logging import configure
        from ..schemas.config import LoggingConfig, validate

        configure(validate(LoggingConfig, cfg.logging))
        function(cfg)

    def quietly(cfg: "DictConfig") -> None:
        try:
            task(cfg)
        except (UserError, OSError) as error:
            if verbose:
                raise
            sys.exit(f"error: {one_line(error)}")

    lose_none()
    if stops_on_sigterm:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        hydra.main(config_path=str(config), config_name=name, version_base="1.3")(functools.wraps(function)(quietly))()
    except Exception as error:
        if verbose or not _is_mistake(error):
            raise
        sys.exit(f"error: {one_line(error, name)}")
    except KeyboardInterrupt:
        exec("")  # one inside another exec, of which dataclasses are made, would otherwise end Python by SIGINT
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def compose(name: str, overrides: list[str]) -> "DictConfig":
    """The configuration of a verb without running it, from `config/` in the working directory.

    Raises:
        UserError: there is no such configuration, or an override is wrong.
    """
    try:
        return _compose(name, overrides)
    except Exception as error:
        if not _is_mistake(error):
            raise
        raise UserError(one_line(error, name)) from None


def _compose(name: str, overrides: list[str]) -> "DictConfig":
    import hydra

    with hydra.initialize_config_dir(str(Path.cwd() / "config"), version_base="1.3"):
        return hydra.compose(name, overrides)


def _is_mistake(error: Exception) -> bool:
    """Whether it is a wrong override or file, and no fault of the program."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    return isinstance(error, HydraException | OmegaConfBaseException | YAMLError | OSError) or _no_choice(error)


def _no_choice(error: BaseException) -> bool:
    """Hydra has no error of its own for a group that is overridden by no name, such as experiment=null."""
    return isinstance(error, ValueError) and str(error).startswith("Config group override must be")


def one_line(error: BaseException, verb: str | None = None) -> str:
    """What Hydra or OmegaConf complains of, with what to do, in one line; `verb` finds the key that was meant."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"{mark.name}, line {mark.line + 1}: {getattr(error, 'problem', None) or 'not YAML'}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = lines[0]
    kind = type(error).__name__
    if kind == "OverrideParseException":
        return f"cannot read an override ({text.rpartition('Exception: ')[2]}): {QUOTING}"
    if kind == "MissingConfigException" and len(lines) > 2:
        options = [line for line in lines[2:] if not line.startswith(("Config search path", "provider="))]
        return f"{text}; there are {', '.join(options)}"
    if text.startswith("Could not override"):
        keys = [line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")]
        key = keys[0] if keys else text.split("'")[1]
        return unknown_key(key, _known(verb))
    if _no_choice(error):
        return "an override names no file of its config group: give one, as in experiment=<name>; ~experiment is none"
    return text


def _known(verb: str | None) -> dict[str, Any]:
    """The verb's configuration without overrides, unresolved; empty where it does not compose."""
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    if verb is None:
        return {}
    GlobalHydra.instance().clear()  # the run that failed
    try:
        found = OmegaConf.to_container(_compose(verb, []))
    except Exception as error:
        if not _is_mistake(error):
            raise
        return {}
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}
