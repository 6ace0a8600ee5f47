"""Publish the newest score set to Redis, once its gate let it pass.

Reads ``ml.scores``, writes ``ff:{version}:*`` and then ``ff:current``; where few records change,
only these, into the live version, in one step. A reader sees one publication or another, never a
mixture. It fails where the set is too different from the live one: `footfall publications explain`
says how, `footfall publish --accept` overrules it. Go back: ``footfall rollback``.
"""

from airflow.sdk import dag

from footfall_airflow.assets import PUBLICATION, SCORES
from footfall_airflow.sensors import ScoreSetSensor
from footfall_airflow.stages import ACTOR, EPOCH, alert, now, stage


@dag(
    schedule=[SCORES],
    start_date=EPOCH,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["serving"],
)
def publish_scores() -> None:
    @stage(outlets=[PUBLICATION], skips=False)
    def publish():
        from footfall.publish.publication import publish

        return publish(now=now(), actor=ACTOR)

    wait = ScoreSetSensor(
        task_id="wait_for_score_set", timeout=60, soft_fail=True, on_failure_callback=[alert]
    )
    wait >> publish()


publish_scores()
