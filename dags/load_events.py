"""Load the shop's events and its catalog from Kafka into Postgres, in micro-batches, exactly once.

Reads ``FOOTFALL_TOPICS`` and ``FOOTFALL_CATALOG_TOPIC`` until it has caught up; loaders
side by side share a large backlog. Tells ``raw_events`` only when something was stored.

Backfill: a run replays its own interval, by the events' time. For a long window one run is enough:
trigger with ``since`` and ``until``. What is stored already is not stored again.
"""

from airflow.sdk import Context, CronDataIntervalTimetable, dag

from footfall_airflow.assets import RAW_EVENTS
from footfall_airflow.stages import EPOCH, REPLAY_WINDOW, stage, window


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
    @stage()
    def share_partitions():
        from footfall.path import share_partitions

        return share_partitions()

    @stage()
    def load(partitions: list, **context: Context):
        from footfall.path import load_events

        return load_events(*window(context), partitions=partitions)

    @stage(outlets=[RAW_EVENTS], trigger_rule="none_failed_min_one_success")
    def add_up(loaded: list):
        from footfall.path import add_up

        return add_up(loaded)

    @stage()
    def load_catalog():
        from footfall.path import load_catalog

        return load_catalog()

    add_up(load.expand(partitions=share_partitions()))
    load_catalog()


load_events()
