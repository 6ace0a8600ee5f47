"""Train a challenger of each model, and promote it when it beats the champion.

Reads weekly snapshots of ``analytics.customer_features`` with their labels, writes ``ml.models``.
A challenger becomes champion only when it is better on the same holdout; the audit report is kept.
Each week: purchase, churn and whatever has a champion. Out of turn: what has shifted, or a param.
With ``FOOTFALL_PROMOTION_APPROVAL=required`` a person is waited for, six days: Required Actions.
"""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, Context, CronTriggerTimetable, dag

from footfall_airflow.approvals import PromotionApproval
from footfall_airflow.assets import DRIFT, MODELS
from footfall_airflow.stages import ACTOR, AS_OF, TRAINED, alert, as_of, now, shifted, stage


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 * * 6", timezone="UTC", run_immediately=timedelta(0)),
        assets=DRIFT,
    ),
    catchup=False,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["ml"],
    params={**AS_OF, **TRAINED},
)
def train_models() -> None:
    @stage()
    def choose(**context: Context):
        from footfall.modelling.training import labels_to_train

        return labels_to_train(context["params"]["models"], shifted(context))

    @stage(max_active_tis_per_dagrun=1)  # each uses every core
    def train(name: str, **context: Context):
        from footfall.modelling.training import train

        return train(name, as_of(context), now=now())

    @stage(trigger_rule="none_failed_min_one_success")
    def propose(trained: list[dict]):
        from footfall.path import proposals

        return proposals([m["model_id"] for m in trained])

    @stage(outlets=[MODELS], trigger_rule="none_failed_min_one_success")
    def promote_if_better(trained: list[dict], answers: list[dict]):
        from footfall.path import promote_better

        return promote_better([m["model_id"] for m in trained], answers, now=now(), actor=ACTOR)

    trained = train.expand(name=choose())
    approve = PromotionApproval.partial(task_id="approve", on_failure_callback=[alert])
    promote_if_better(trained, approve.expand(proposal=propose(trained)).output)


train_models()
