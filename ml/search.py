"""Search the trees' parameters within a budget, judged forward in time.

Optuna's tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter
optimization", 2011) proposes; each proposal is fitted on every fold, the oldest first, and given up
when its mean loss so far is above the median of the others' at that fold. The first trial is the
parameters as they are, so that the best is never worse than them on the folds. One seed and one
process: the same rows and the same number of trials give the same parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml.train import Params, Sample, find_rounds

LOGARITHMIC = True
SPACE: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0.03, 0.2, LOGARITHMIC),
    "min_child_weight": (1.0, 100.0, LOGARITHMIC),
    "row_share": (0.5, 1.0, False),
    "column_share": (0.2, 1.0, False),
    "l2": (0.1, 100.0, LOGARITHMIC),
}
DEPTHS = (2, 6)
STARTUP = 8  # trials drawn at random before the estimator is asked, and none is given up


@dataclass(frozen=True)
class Budget:
    """How long to search.

    Attributes:
        trials: at most so many; 0 = no search.
        seconds: none is begun later than that; what is found then depends on the machine.
    """

    trials: int
    seconds: float | None = None


@dataclass(frozen=True)
class Trial:
    """One proposal. ``loss`` is None where it was given up after ``folds`` of the folds."""

    params: dict[str, float]
    loss: float | None
    folds: int


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        params: the best.
        loss: theirs: the mean of the folds'.
        trials: all, in the order that they were tried in; the first is the parameters as they were.
        budget: what it was given.
    """

    params: Params
    loss: float
    trials: Sequence[Trial]
    budget: Budget

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, the trials as rows of numbers under the names of ``columns``."""
        columns = [*self.trials[0].params]
        return {
            "trials": self.budget.trials,
            "seconds": self.budget.seconds,
            "loss": self.loss,
            "columns": ["loss", "folds", *columns],
            "tried": [
                [trial.loss, trial.folds, *(trial.params[name] for name in columns)]
                for trial in self.trials
            ],
        }


def search(
    folds: Sequence[tuple[Sample, Sample]],
    params: Params,
    budget: Budget,
    *,
    cluster: str | None = None,
    on_trial: Callable[[int], None] = lambda done: None,
) -> Found:
    """Return the best parameters of a search.

    Args:
        folds: train and validation of each, oldest first.
        params: where it starts from; what is not searched stays.
        budget: how long; at least one trial.
        cluster: address of a Dask scheduler to train on.
        on_trial: is told how many are done.

    Raises:
        TooFewRows: too few rows or one class only, in a fold.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(
            n_startup_trials=STARTUP, multivariate=True, seed=params.seed
        ),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
    )
    study.enqueue_trial({name: getattr(params, name) for name in ("max_depth", *SPACE)})

    def objective(trial: optuna.Trial) -> float:
        losses: list[float] = []
        tried = _proposed(trial, params)
        for number, (train, validation) in enumerate(folds):
            losses.append(find_rounds(train, validation, tried, cluster=cluster).loss)
            trial.report(sum(losses) / len(losses), number)
            if number + 1 < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        return sum(losses) / len(losses)

    study.optimize(
        objective,
        n_trials=budget.trials,
        timeout=budget.seconds,
        callbacks=[lambda study, trial: on_trial(trial.number + 1)],
    )
    best = study.best_trial
    return Found(
        params=replace(params, **best.params),
        loss=float(best.values[0]),
        trials=[_trial(trial) for trial in study.trials],
        budget=budget,
    )


def _proposed(trial: optuna.Trial, params: Params) -> Params:
    proposed: dict[str, Any] = {"max_depth": trial.suggest_int("max_depth", *DEPTHS)}
    for name, (low, high, logarithmic) in SPACE.items():
        proposed[name] = trial.suggest_float(name, low, high, log=logarithmic)
    return replace(params, **proposed)


def _trial(trial: FrozenTrial) -> Trial:
    loss = float(trial.values[0]) if trial.state == TrialState.COMPLETE else None
    return Trial(dict(trial.params), loss, len(trial.intermediate_values))
