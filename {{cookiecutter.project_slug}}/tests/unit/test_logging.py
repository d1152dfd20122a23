"""Everything that is logged comes out in one place, in one form."""

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from loguru import logger

from {{ cookiecutter.project_slug }}.logging import configure, intercept
from {{ cookiecutter.project_slug }}.schemas.config import LoggingConfig


@pytest.fixture(autouse=True)
def restored():
    shown, handlers, level = warnings.showwarning, logging.root.handlers[:], logging.root.level
    with warnings.catch_warnings():
        yield
    warnings.showwarning = shown
    logging.root.handlers[:], logging.root.level = handlers, level
    logger.remove()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_holds_time_level_logger_message_and_bound_values(capsys):
    configure(LoggingConfig(level="INFO", format="json", file=None))
    logger.bind(request="7").info("größer {}", 3)
    (line,) = lines(capsys)
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "INFO", "logger": __name__, "message": "größer 3", "request": "7"}


def test_the_standard_library_and_warnings_go_the_same_way(capsys):
    configure(LoggingConfig(level="INFO", format="json", file=None))
    logging.getLogger("some.library").warning("low on %s", "disk")
    warnings.warn("odd", UserWarning, stacklevel=1)
    first, second = lines(capsys)
    assert (first["logger"], first["level"], first["message"]) == ("some.library", "WARNING", "low on disk")
    assert (second["logger"], second["level"]) == ("warnings", "WARNING")
    assert second["message"].startswith("UserWarning: odd (")


def test_an_exception_is_part_of_its_line(capsys):
    configure(LoggingConfig(level="INFO", format="json", file=None))
    try:
        int("bad\nvalue")
    except ValueError:
        logger.exception("failed")
    (line,) = lines(capsys)
    assert line["message"] == "failed"
    assert line["exception"].startswith("ValueError(")


def test_a_library_that_brings_its_own_handler_is_written_once(capsys):
    configure(LoggingConfig(level="INFO", format="console", file=None))
    library = logging.getLogger("noisy.library")
    library.addHandler(logging.StreamHandler(sys.stderr))
    intercept("noisy.library")
    library.error("once")
    assert capsys.readouterr().err.count("once") == 1


def test_level_and_file(capsys, tmp_path):
    path = tmp_path / "run.log"
    configure(LoggingConfig(level="WARNING", format="console", file=str(path)))
    logger.info("silent")
    logger.warning("loud")
    error = capsys.readouterr().err
    assert "silent" not in error
    assert "loud" in error
    assert "loud" in path.read_text()
    assert "silent" not in path.read_text()


def test_configuring_twice_does_not_double_lines(capsys):
    for _ in range(2):
        configure(LoggingConfig(level="INFO", format="json", file=None))
    logger.info("once")
    assert len(lines(capsys)) == 1


def test_lightning_and_mlflow_do_not_write_past_it():
    script = (
        "from {{ cookiecutter.project_slug }}.logging import configure\n"
        "from {{ cookiecutter.project_slug }}.schemas.config import LoggingConfig\n"
        "configure(LoggingConfig(level='INFO', format='json', file=None))\n"
        "import logging, mlflow\n"
        "logging.getLogger('mlflow').warning('from mlflow')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["from mlflow"]
