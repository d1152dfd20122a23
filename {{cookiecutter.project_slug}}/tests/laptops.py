"""What a project on a laptop has otherwise: changes for `Ground.world`."""

import re
from pathlib import Path

from tests.releases import RECIPE
from tests.worlds import BETTER, EXPERIMENT, SOLID


def without_a_server(laptop: Path) -> None:
    """Without the gate of `staging` that starts one, where its time is not worth it."""
    with (laptop / "config/promotion/staging.yaml").open("a", encoding="utf-8") as file:
        file.write("  deployable: null\n")


def with_another_experiment(laptop: Path) -> None:
    """With `another`, whose penalty is `BETTER`."""
    text = EXPERIMENT.replace(f"alpha: {SOLID}", f"alpha: {BETTER}")
    (laptop / "config/experiment/another.yaml").write_text(text, encoding="utf-8")


def with_short_leases(laptop: Path) -> None:
    """With moves that count as killed after ten seconds."""
    path = laptop / "config/promotion/default.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub("^lease_seconds: [0-9]+", "lease_seconds: 10", text, flags=re.MULTILINE), encoding="utf-8")


def with_small_images(laptop: Path) -> None:
    """With images of a few bytes; what is in the real ones other tests say."""
    for path in (laptop / "deployment/docker").glob("*.Dockerfile"):
        path.write_text(RECIPE, encoding="utf-8")
