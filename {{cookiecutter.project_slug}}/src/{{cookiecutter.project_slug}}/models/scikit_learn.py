"""Models with scikit-learn's interface: LightGBM, XGBoost, forests, linear models, any whose converter is tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ..ports import Matrix, OnEpoch, UserError
from ..utils.instantiate import build
from .converters import convert


@dataclass(frozen=True)
class ScikitLearnEstimator:
    """Fits one of two classes, by the task.

    LightGBM and XGBoost stop early on the validation rows and report each round; others are one call to `fit`.
    """

    regressor: Mapping[str, Any] | None = None
    """`_target_` and arguments for a regression."""
    classifier: Mapping[str, Any] | None = None
    """`_target_` and arguments for a classification."""
    patience: int | None = None
    """Rounds without improvement on the validation rows after which boosting stops; None: never."""

    def fit(self, train: Matrix, val: Matrix, on_epoch: OnEpoch) -> "FittedScikitLearn":
        """Fit on `train`.

        Raises:
            UserError: the model has no class for the task, or it refuses the features.
        """
        which = "classifier" if train.classes else "regressor"
        node = getattr(self, which)
        if node is None:
            raise UserError(f"config: model.{which} is not set, and the task needs one")
        estimator = build(node)
        library = type(estimator).__module__.split(".")[0]
        try:
            if library == "lightgbm":
                self._fit_lightgbm(estimator, train, val, on_epoch)
            elif library == "xgboost":
                self._fit_xgboost(estimator, train, val, on_epoch)
            else:
                estimator.fit(train.features.astype(np.float64), train.target)
        except Exception as error:  # the libraries' errors have no common base
            raise UserError(f"{node['_target_']}: {str(error).splitlines()[0]}") from error
        return FittedScikitLearn(estimator, train.features.shape[1], train.classes)

    def _fit_lightgbm(self, estimator: Any, train: Matrix, val: Matrix, on_epoch: OnEpoch) -> None:
        import lightgbm

        def report(env: Any) -> None:
            on_epoch(env.iteration, {f"val/{name}": float(value) for _, name, value, _ in env.evaluation_result_list})

        callbacks = [report]
        if self.patience is not None:
            callbacks.append(lightgbm.early_stopping(self.patience, first_metric_only=True, verbose=False))
        estimator.fit(train.features, train.target, eval_X=val.features, eval_y=val.target, callbacks=callbacks)

    def _fit_xgboost(self, estimator: Any, train: Matrix, val: Matrix, on_epoch: OnEpoch) -> None:
        import xgboost

        class Report(xgboost.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                del model
                on_epoch(
                    epoch, {f"val/{name}": float(values[-1]) for name, values in evals_log["validation_0"].items()}
                )
                return False

        estimator.set_params(callbacks=[Report()], early_stopping_rounds=self.patience)
        estimator.fit(train.features, train.target, eval_set=[(val.features, val.target)], verbose=False)
        estimator.set_params(callbacks=None)


@dataclass(frozen=True)
class FittedScikitLearn:
    """A fitted estimator with scikit-learn's interface."""

    estimator: Any
    width: int
    classes: int

    def predict(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """`{"prediction": [N, 1]}` or `{"probabilities": [N, K]}`, float64, by the estimator itself."""
        if not len(features):
            name, columns = ("probabilities", self.classes) if self.classes else ("prediction", 1)
            return {name: np.empty((0, columns))}
        boosted = type(self.estimator).__module__.split(".")[0] in ("lightgbm", "xgboost")
        matrix = features if boosted else features.astype(np.float64)
        if self.classes:
            return {"probabilities": np.asarray(self.estimator.predict_proba(matrix), np.float64)}
        return {"prediction": np.asarray(self.estimator.predict(matrix), np.float64).reshape(-1, 1)}

    def to_onnx(self) -> onnx.ModelProto:
        """The estimator as a graph on float32 features.

        Raises:
            UnsupportedModelError: no converter reproduces it exactly.
        """
        return convert(self.estimator, self.width, self.classes)
