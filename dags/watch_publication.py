"""Publish again what Redis has lost, and watch that new score sets get published.

Compares every record of the live publication with ``serving.published_records``: Redis may have
been flushed, failed over to an empty replica, or have evicted. Skipped while nothing is lost. Where
Redis may evict records it fails, for publishing again would not help. ``watch`` fails, and says
why, when the newest complete score set waits longer than ``FOOTFALL_UNPUBLISHED_MINUTES``.
"""

from datetime import timedelta

from airflow.sdk import dag

from footfall_airflow.assets import PUBLICATION
from footfall_airflow.stages import ACTOR, EPOCH, now, stage


@dag(
    schedule=timedelta(minutes=10),
    start_date=EPOCH,
    catchup=False,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["serving"],
)
def watch_publication() -> None:
    @stage(outlets=[PUBLICATION], skips=False)
    def repair():
        from footfall.publish.repair import repair

        return repair(now=now(), actor=ACTOR)

    @stage(skips=False)
    def watch():
        from footfall.publish.newest import watch_score_sets

        return watch_score_sets(now=now())

    repair()
    watch()


watch_publication()
