"""Runs a verb of the project that is checked out in the working directory, with that commit's code.

A script of its own, which imports nothing of the code around it: `python -P runner.py <package> <verb> <configuration>
<answer>`. What came of it is written to the answer as JSON; a failure is the last line of stderr, after `error: `.
"""

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def main(package: str, verb: str, config: str, answer: str) -> None:
    """Run the verb with a resolved configuration, and write down what it returned or logged."""
    from omegaconf import OmegaConf

    module = importlib.import_module(f"{package}.cli.{verb}")
    source = Path(str(module.__file__)).resolve()
    if not source.is_relative_to(Path.cwd().resolve()):
        raise RuntimeError(f"{source} was imported in place of the commit's own code")
    cfg = OmegaConf.load(config)
    returned = getattr(module, verb)(cfg)
    document = _logged(cfg.mlflow.tracking_uri) if verb == "train" else {"path": str(Path(returned).resolve())}
    Path(answer).write_text(json.dumps(document | {"code": str(source)}), encoding="utf-8")


def _logged(tracking_uri: str) -> dict[str, Any]:
    """What the one run of a store has recorded."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    return {"metrics": dict(run.data.metrics), "tags": dict(run.data.tags)}


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"error: {(str(error).splitlines() or [type(error).__name__])[0]}")
