"""Score every customer with the champion models, with the reasons of each score.

Reads ``analytics.customer_features`` as of the instant that the features' event names, writes
``ml.scores`` as one score set. Skipped while no model is champion. Where a champion has shifted,
it asks for training, at most once per model and week, whatever the gate says of the scores.
"""

from airflow.sdk import Context, dag

from footfall_airflow.assets import DRIFT, FEATURES, MODELS, SCORES
from footfall_airflow.stages import AS_OF, EPOCH, as_of, now, stage


@dag(
    schedule=(FEATURES | MODELS),
    start_date=EPOCH,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["ml"],
    params=AS_OF,
)
def score_customers() -> None:
    @stage()
    def score(**context: Context):
        from footfall.modelling.scoring import score

        return score(as_of(context), now=now())

    @stage(outlets=[SCORES])
    def gate_scores(scored: dict):
        from footfall.path import gate_scores

        return gate_scores(scored["score_set"])

    @stage(outlets=[DRIFT])
    def ask_for_training(scored: dict):
        from footfall.modelling.drifting import training_due

        return training_due(scored["score_set"])

    scored = score()
    gate_scores(scored)
    ask_for_training(scored)


score_customers()
