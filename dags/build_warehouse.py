"""Build sessions, orders, segments and features from the events that passed the gate.

Reads ``raw.events``, writes the schema ``analytics`` with dbt. Great Expectations guards both
ends. Then Kafka is told who entered and left a segment, and the tables' docs are kept fresh.

Build another day's snapshot: trigger with ``as_of``. A past range: backfill ``snapshot_features``.
"""

from airflow.sdk import Context, dag

from footfall_airflow.assets import FEATURES, RAW_EVENTS
from footfall_airflow.stages import AS_OF, EPOCH, as_of, instant, now, stage


@dag(
    schedule=[RAW_EVENTS],
    start_date=EPOCH,
    max_active_runs=1,
    description=__doc__.partition(".")[0],
    doc_md=__doc__,
    tags=["warehouse"],
    params=AS_OF,
)
def build_warehouse() -> None:
    @stage()
    def gate_raw(**context: Context):
        from footfall.path import gate_raw

        return gate_raw(as_of(context))

    @stage()
    def build(**context: Context):
        from footfall.warehouse.build import build

        return build(as_of(context))

    @stage(outlets=[FEATURES])
    def gate_features(built: dict):
        from footfall.path import gate_features

        return gate_features(instant(built["as_of"]), built["report"])

    @stage()
    def feed_segments():
        from footfall.segments.feed import feed

        return feed()

    @stage()
    def write_docs():
        from footfall.warehouse.docs import renew_docs

        return renew_docs(now=now())

    built = build()
    gate_raw() >> built
    gate_features(built) >> [feed_segments(), write_docs()]


build_warehouse()
