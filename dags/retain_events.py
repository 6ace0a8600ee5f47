"""Drop the months of raw events that are older than the policy allows.

Policy: ``FOOTFALL_RAW_RETENTION_DAYS``, counted back from the instant that the warehouse is built
through; unset, every event is kept and the task is skipped. Months that are not wholly built wait.
What dbt built stays, and so does what tells a replay from a new event.
"""

from airflow.sdk import CronTriggerTimetable, dag

from footfall_airflow.stages import ACTOR, EPOCH, now, stage


@dag(
    schedule=CronTriggerTimetable("0 4 * * *", timezone="UTC"),
    start_date=EPOCH,
    catchup=False,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["privacy"],
)
def retain_events() -> None:
    @stage()
    def retain():
        from footfall.privacy.retention import retain

        return retain(now=now(), actor=ACTOR)

    retain()


retain_events()
