"""Watch that events come in, and as many as usual.

Reads ``raw.loads`` and ``raw.events`` by dbt's source freshness and the table ``event_volumes``;
writes nothing that anybody builds on. A run fails when no event was loaded for
``FOOTFALL_QUIET_ERROR_MINUTES``, or when the newest whole day had more or fewer events of a kind
than its weekday usually has.
"""

from datetime import timedelta

from airflow.sdk import dag

from footfall_airflow.stages import EPOCH, stage


@dag(
    schedule=timedelta(hours=1),
    start_date=EPOCH,
    catchup=False,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["warehouse"],
)
def watch_events() -> None:
    @stage()
    def watch():
        from footfall.path import watch_events

        return watch_events()

    watch()


watch_events()
