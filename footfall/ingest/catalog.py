"""Load the catalog from Kafka into ``raw.product_versions`` and ``raw.products``, exactly once.

The same machine as for events, with another feed: its loads are of the kind ``catalog``, so that
gates and builds, which are about events, pass them over.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from footfall.errors import NotFound
from footfall.events.product import decode_product
from footfall.ingest.feed import Feed
from footfall.ingest.micro_batch import Ingested, add_up, load_batches
from footfall.ingest.reader import Record
from footfall.settings import settings
from footfall.warehouse.loads import Load
from footfall.warehouse.products import ProductBatch


def load_catalog(*, most_loads: int | None = None, accept_gap: bool = False) -> Ingested:
    """Load the facts of FOOTFALL_CATALOG_TOPIC up to its end, or ``most_loads`` micro-batches.

    Where the topic does not exist there is no catalog, and nothing to load.

    Raises:
        Fenced: another loader was faster; its batch is stored, ours is not.
        GapFound: facts may be missing; FOOTFALL_ACCEPTED_GAPS and ``accept_gap`` do not allow it.
        TooManyRejects: more than FOOTFALL_MOST_REJECTED of the records cannot be read.
        ServerUnavailable: Kafka or Postgres does not answer.
    """
    started = time.monotonic()
    done: list[Load] = []
    with suppress(NotFound):
        done.extend(load_batches(products(), most=most_loads, accept_gap=accept_gap))
    return add_up(done, time.monotonic() - started)


def products() -> Feed[ProductBatch]:
    """Return the feed of FOOTFALL_CATALOG_TOPIC."""
    return Feed([settings().catalog_topic], ProductBatch, take_products)


def take_products(batch: ProductBatch, records: Sequence[Record], otherwise: datetime) -> None:
    """Decode records and add them to a batch."""
    for record in records:
        received_at = record.received_at or otherwise
        result = decode_product(record.key, record.value, received_at=received_at)
        batch.add(record.topic, record.partition, record.offset, received_at, result, record.value)
