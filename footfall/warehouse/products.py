"""Store facts about products, and keep ``raw.products`` what they say, whatever order they come in.

What a product is now follows from the set of its facts alone:

1. Of a product's deletions only the newest counts, by the time stamps of their Kafka records.
2. A fact survives it if its record is newer, and it either has a higher version than every fact
   whose record is older than the deletion (if any of these has one), or was not updated before it.
   So an old version that is sent again stays deleted, and so does one that was on its way.
3. Of the facts that survive, the highest version is the product (none is lower than any), then the
   latest ``updated_at``. Two that still differ: the greater digest of their content.

Records are newer and older by time stamp, then by partition and offset. A fact that was sent twice
counts where it came first, a deletion where it came last.
"""

from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.events.event import Reject
from footfall.events.product import FIELDS, Product
from footfall.warehouse.loads import NOT_STORABLE, Written, unstorable
from footfall.warehouse.rejects import RejectRow


class ProductBatch:
    """The facts and rejects of one micro-batch of the catalog."""

    kind = "catalog"

    def __init__(self) -> None:
        self.records_read = 0
        self.rejects: list[RejectRow] = []
        self._rows: list[tuple[str, int, int, Product]] = []

    def add(
        self,
        topic: str,
        partition: int,
        offset: int,
        received_at: datetime,
        result: Product | Reject,
        value: bytes | None,
    ) -> None:
        """Take in one record."""
        self.records_read += 1
        if isinstance(result, Product):
            self._rows.append((topic, partition, offset, result))
        else:
            self.rejects.append(RejectRow.of(topic, partition, offset, received_at, result, value))

    def write(self, connection: Connection[TupleRow], load_id: int) -> Written:
        """Store the facts that are new, and what they make of their products.

        Writers take turns, for what a product is follows from all of its facts.
        """
        if not self._rows:
            return Written(0)
        connection.execute("lock table raw.products in share row exclusive mode")
        stored = connection.execute(_STORE, self._columns() | {"load_id": load_id}).fetchone()
        assert stored is not None, "the statement returns one row"
        product_ids = {product.product_id for *_, product in self._rows}
        connection.execute(_RENEW, {"product_ids": sorted(product_ids)})
        return Written(*stored)

    def set_aside_unstorable(self, connection: Connection[TupleRow]) -> None:
        """Make rejects of the facts whose JSON Postgres refuses, though the decoder took it."""
        facts = [row for row in self._rows if row[3].payload is not None]
        refused = unstorable(connection, [row[3].payload or b"" for row in facts])
        for topic, partition, offset, product in [facts[number] for number in refused]:
            place = topic, partition, offset, product.received_at
            self.rejects.append(RejectRow.of(*place, NOT_STORABLE, product.payload))
        gone = {facts[number][:3] for number in refused}
        self._rows = [row for row in self._rows if row[:3] not in gone]

    def _columns(self) -> dict[str, list[Any]]:
        products = [product for *_, product in self._rows]
        return {
            name: [getattr(product, name) for product in products]
            for name in (*FIELDS, "received_at")
        } | {
            "payload": [None if p.payload is None else p.payload.decode() for p in products],
            "topic": [topic for topic, *_ in self._rows],
            "partition": [partition for _, partition, *_ in self._rows],
            "offset": [offset for _, _, offset, _ in self._rows],
            "known_fields": list(FIELDS),
        }


# Of records that tell the same fact, the first is kept; of the same deletion, the last.
_STORE: LiteralString = """
with sent as (
    select
        found.*,
        payload is null as is_deleted,
        sha256(
            int8send((extract(epoch from updated_at) * 1000000)::bigint)
            || convert_to(coalesce(payload::text, ''), 'UTF8')
        ) as fact_sha256,
        case when payload is null then -1 else 1 end as direction
    from
        unnest(
            %(product_id)b::text[], %(version)b::bigint[], %(updated_at)b::timestamptz[],
            %(name)b::text[], %(category)b::text[], %(brand)b::text[], %(price)b::numeric[],
            %(currency)b::text[], %(stock)b::bigint[], %(received_at)b::timestamptz[],
            %(payload)b::text[]::jsonb[], %(topic)b::text[], %(partition)b::int[],
            %(offset)b::bigint[]
        ) as found (
            product_id, version, updated_at, name, category, brand, price, currency, stock,
            received_at, payload, kafka_topic, kafka_partition, kafka_offset
        )
),
facts as (
    select distinct on (product_id, fact_sha256) *
    from sent
    order by
        product_id, fact_sha256, received_at, kafka_partition * direction, kafka_offset * direction
),
written as (
    insert into raw.product_versions as kept (
        product_id, fact_sha256, is_deleted, version, updated_at, name, category, brand, price,
        currency, stock, attributes, received_at, load_id, kafka_topic, kafka_partition,
        kafka_offset
    )
    select
        product_id, fact_sha256, is_deleted, version, updated_at, name, category, brand, price,
        currency, stock, payload - %(known_fields)s::text[], received_at, %(load_id)s, kafka_topic,
        kafka_partition, kafka_offset
    from facts
    on conflict (product_id, fact_sha256) do update
        set received_at = excluded.received_at, kafka_topic = excluded.kafka_topic,
            kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset
        where
            not kept.is_deleted
            and (excluded.received_at, excluded.kafka_partition, excluded.kafka_offset)
            < (kept.received_at, kept.kafka_partition, kept.kafka_offset)
            or kept.is_deleted
            and (excluded.received_at, excluded.kafka_partition, excluded.kafka_offset)
            > (kept.received_at, kept.kafka_partition, kept.kafka_offset)
)
select count(*), min(facts.updated_at), max(facts.updated_at)
from facts
left join raw.product_versions as kept using (product_id, fact_sha256)
where kept.product_id is null -- as it was before this statement
"""
# Each look is by an index that ends at the row sought, however long a product's history is.
_RENEW: LiteralString = """
with touched as (
    select unnest(%(product_ids)b::text[]) as product_id
),
deletions as (
    select touched.product_id, newest.*, before.version
    from touched
    cross join lateral (
        select updated_at, received_at, kafka_partition, kafka_offset
        from raw.product_versions as deletion
        where is_deleted and deletion.product_id = touched.product_id
        order by received_at desc, kafka_partition desc, kafka_offset desc
        limit 1
    ) as newest
    left join lateral (
        select version
        from raw.product_versions as fact
        where
            not is_deleted
            and fact.product_id = touched.product_id
            and (fact.received_at, fact.kafka_partition, fact.kafka_offset)
            < (newest.received_at, newest.kafka_partition, newest.kafka_offset)
        order by version desc nulls last
        limit 1
    ) as before on true
),
newest as (
    select fact.*
    from touched
    left join deletions using (product_id)
    cross join lateral (
        select fact.*
        from raw.product_versions as fact
        where
            not is_deleted
            and fact.product_id = touched.product_id
            and (
                deletions.product_id is null
                or (fact.received_at, fact.kafka_partition, fact.kafka_offset)
                > (deletions.received_at, deletions.kafka_partition, deletions.kafka_offset)
                and (
                    fact.version > deletions.version
                    or fact.updated_at >= deletions.updated_at
                )
            )
        order by version desc nulls last, updated_at desc, fact_sha256 desc
        limit 1
    ) as fact
),
gone as (
    delete from raw.products
    using touched
    where
        products.product_id = touched.product_id
        and not exists (select from newest where newest.product_id = touched.product_id)
)
insert into raw.products as kept (
    product_id, version, updated_at, name, category, brand, price, currency, stock, attributes,
    load_id, kafka_topic, kafka_partition, kafka_offset
)
select
    product_id, version, updated_at, name, category, brand, price, currency, stock, attributes,
    load_id, kafka_topic, kafka_partition, kafka_offset
from newest
on conflict (product_id) do update
    set version = excluded.version, updated_at = excluded.updated_at, name = excluded.name,
        category = excluded.category, brand = excluded.brand, price = excluded.price,
        currency = excluded.currency, stock = excluded.stock, attributes = excluded.attributes,
        load_id = excluded.load_id, kafka_topic = excluded.kafka_topic,
        kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset
    where kept is distinct from excluded
"""
