"""Keep each week's features, and its scores, as they were known at the week's end.

Writes the rows of one ``as_of``, the end of the run's interval (Saturdays 00:00 UTC), that
training learns from. Skipped while the events have not reached that instant. Never published: the
newest ``as_of`` is.

Backfill: any past range by the UI, ``airflow backfill create --dag-id snapshot_features`` or
``POST /api/v2/backfills``.
"""

from airflow.sdk import Context, CronDataIntervalTimetable, dag

from footfall_airflow.stages import EPOCH, instant, now, stage


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * 6", timezone="UTC"),
    start_date=EPOCH,
    catchup=False,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["warehouse", "ml"],
)
def snapshot_features() -> None:
    @stage()
    def build(**context: Context):
        from footfall.path import build_past

        return build_past(context["data_interval_end"])

    @stage()
    def gate_features(built: dict):
        from footfall.path import gate_features

        return gate_features(instant(built["as_of"]))

    @stage()
    def score(checked: dict):
        from footfall.modelling.scoring import score

        return score(instant(checked["as_of"]), now=now())

    @stage()
    def gate_scores(scored: dict):
        from footfall.path import gate_scores

        return gate_scores(scored["score_set"])

    gate_scores(score(gate_features(build())))


snapshot_features()
