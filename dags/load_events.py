"""Load the shop's events from Kafka into Postgres, in micro-batches, exactly once.

Reads the topics of ``FOOTFALL_TOPICS``, writes ``raw.events`` and ``raw.rejected_events``; goes on
until it has caught up. Tells ``raw_events`` only when something was stored.

Replay a window: trigger with ``since`` and ``until``; what is stored already is not stored again.
"""

from airflow.sdk import Context, CronDataIntervalTimetable, dag

from footfall_airflow.assets import RAW_EVENTS
from footfall_airflow.stages import EPOCH, REPLAY_WINDOW, instant, stage


@dag(
    schedule=CronDataIntervalTimetable("* * * * *", timezone="UTC"),
    start_date=EPOCH,
    catchup=False,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["ingest"],
    params=REPLAY_WINDOW,
)
def load_events() -> None:
    @stage(outlets=[RAW_EVENTS])
    def load(**context: Context):
        from footfall.path import load_events

        return load_events(instant(context["params"]["since"]), instant(context["params"]["until"]))

    load()


load_events()
