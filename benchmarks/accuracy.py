"""How good are the shipped settings on California housing, cross-validated over all rows? Floor: a linear model."""

import argparse

from measuring import housing, in_project, note, row

GOALS = {"lightgbm": 45_000, "mlp": 51_000}


def main(models: list[str]) -> None:
    """The `cv` verb of each model, in this process."""
    from benchmarked.cli.cv import cv
    from benchmarked.utils.verb import compose

    def scores(model: str) -> dict[str, float]:
        note(f"cross-validating {model}")
        overrides = [*housing(), f"model={model}", "progress=false"]
        found: dict[str, float] = cv(compose("cv", overrides))
        return found

    floor = scores("linear")["cv/rmse_mean"]
    for model in models:
        found = scores(model)
        mean, deviation = found["cv/rmse_mean"], found["cv/rmse_std"]
        row(
            f"California housing, {model}, RMSE over 5 folds, USD",
            f"{mean:,.0f} ± {deviation:,.0f}",
            f"≤ {GOALS[model]:,}",
            mean <= GOALS[model],
            f"{mean / floor:.2f} × a linear model, {floor:,.0f}",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="+", choices=GOALS, default=list(GOALS), help="default: all; the MLP takes five minutes"
    )  # fmt: skip
    options = parser.parse_args()
    in_project(lambda: main(options.models))
