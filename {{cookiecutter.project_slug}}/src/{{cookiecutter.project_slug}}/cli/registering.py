"""What `train` and `register` write of a version."""

from collections.abc import Mapping

from ..schemas.contract import Contract


def version_tags(
    contract: Contract, experiment: str, metrics: Mapping[str, float], extra: Mapping[str, str]
) -> dict[str, str]:
    """The tags of a version: where it is from, and how it did on the held-out rows.

    With the metrics a list of versions needs no look at their runs.

    Args:
        contract: of its servable, with provenance.
        experiment: of the run.
        metrics: of the run; those that begin with `test/` are taken.
        extra: `mlflow.tags` of the configuration.
    """
    made_from = contract.provenance
    assert made_from is not None
    return {
        **extra,
        "experiment": experiment,
        "data.sha256": made_from.data,
        "git.commit": made_from.commit or "unknown",
        **{name: f"{value:.6g}" for name, value in metrics.items() if name.startswith("test/")},
    }
