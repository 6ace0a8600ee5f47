"""Customers' records: what they are made of."""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection, sql
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import TupleRow, class_row

from footfall.errors import NotReady
from footfall.warehouse.publications import ScoreSetRow

LEAST_LIFE = timedelta(minutes=5)
"""A score that ends sooner counts as over: a publication of a million takes a minute."""

# A record's hash: of its scores, as ml.scores.content has them, its segment and its products. Of
# changed records, one in 2^64 is taken for the same.
CONTENT: LiteralString = (
    "hashtextextended(coalesce(rfm.segment, ''),"
    " jsonb_hash_extended(coalesce(products.products, '[]'), {bits}))"
)
_MODEL: LiteralString = """
    left join (
        select
            customer_id, coalesce(probability, amount) as prediction, probability, percentile,
            reasons, fallback, scored_at, expires_at, content as bits
        from ml.scores
        where
            score_set = %(score_set)s and model_id = {model_id} and expires_at > %(ends_after)s
            {only}
    ) as {alias} using (customer_id)
"""
# Asked for by customer_id, all joins in that order, which the indexes give: nothing is sorted.
CUSTOMERS: LiteralString = """
    from (
        select customer_id from analytics.dim_customers where is_profilable {only}
    ) as customers
    {models}
    left join analytics.customer_rfm rfm
        on rfm.customer_id = customers.customer_id and rfm.as_of = %(as_of)s
    left join analytics.customer_products products
        on products.customer_id = customers.customer_id and products.as_of <= %(as_of)s
    where num_nonnulls({predictions}) > 0
"""

_RECORDS: LiteralString = f"""
    select
        customers.customer_id, rfm.segment, coalesce(products.products, '[]')::text,
        {CONTENT}, greatest({{scored_at}}),
        date_trunc('second', least({{expires_at}}, %(expires_at)s)), {{scores}}
    {CUSTOMERS}
    order by customers.customer_id
"""
_SCORE: tuple[LiteralString, ...] = ("prediction", "percentile", "reasons::text", "fallback")


class ScoredBy(NamedTuple):
    """A model whose scores are in a set."""

    name: str
    model_id: str


class RecordRow(NamedTuple):
    """What one customer's record is made of.

    Attributes:
        customer_id: whose it is.
        segment: of the customer, by RFM.
        products: a JSON list of product ids.
        content: a hash of all but the instants.
        scored_at: of the newest of the scores.
        expires_at: of the record.
        scores: of each model in turn its prediction, percentile, reasons (a JSON list) and, if the
            prediction is a base rate, why; all None where the model has no fresh score.
    """

    customer_id: str
    segment: str | None
    products: str
    content: int
    scored_at: datetime
    expires_at: datetime
    scores: tuple[Any, ...]


OTHER_COLUMNS = len(RecordRow._fields) - 1
SCORE_COLUMNS = len(_SCORE)
ROWS_AT_ONCE = 500


def models_of(connection: Connection[TupleRow], score_set: int) -> list[ScoredBy]:
    """Return the models whose scores are in a set, by name."""
    with connection.cursor(row_factory=class_row(ScoredBy)) as cursor:
        return cursor.execute(
            "select name, model_id from ml.models m where exists ("
            "  select from ml.scores s where s.score_set = %s and s.model_id = m.model_id)"
            " order by name, model_id",
            (score_set,),
        ).fetchall()


def stream_records(
    connection: Connection[TupleRow],
    chosen: ScoreSetRow,
    models: Sequence[ScoredBy],
    *,
    now: datetime,
    expires_at: datetime,
    only: Sequence[str] | None = None,
) -> Generator[RecordRow, None, None]:
    """Yield the set's customers who may be profiled now, by customer_id.

    Scores that are over, or will be within LEAST_LIFE, are left out. A record expires at
    ``expires_at``, or with its first score if that is sooner. Postgres works ahead while the caller
    has a row in hand.

    Args:
        connection: to the warehouse.
        chosen: the set.
        models: those in it, as `models_of` gives them.
        now: the publishing clock.
        expires_at: when a record's time is over at the latest.
        only: these customers; None: all.

    Raises:
        NotReady: the warehouse is not built.
    """
    if not models:
        return
    query = sql.SQL(_RECORDS).format(
        **joined(models, only=only is not None),
        scored_at=each(models, "{}.scored_at"),
        expires_at=each(models, "{}.expires_at"),
        scores=each(models, ", ".join("{0}." + column for column in _SCORE)),
    )
    asked = {
        "score_set": chosen.score_set,
        "as_of": chosen.as_of,
        "ends_after": now + LEAST_LIFE,
        "expires_at": expires_at,
        "only": None if only is None else list(only),
    }
    try:
        with connection.cursor(binary=True) as cursor:
            for row in cursor.stream(query, asked, size=ROWS_AT_ONCE):
                yield RecordRow._make((*row[:OTHER_COLUMNS], row[OTHER_COLUMNS:]))
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None


def joined(models: Sequence[ScoredBy], *, only: bool) -> dict[str, sql.Composable]:
    """Return what all queries say of the models."""
    filter_ = sql.SQL("and customer_id = any(%(only)s)" if only else "")
    return {
        "only": filter_,
        "models": sql.SQL(" ").join(
            sql.SQL(_MODEL).format(
                model_id=sql.Literal(model.model_id), only=filter_, alias=alias(at)
            )
            for at, model in enumerate(models)
        ),
        "bits": sql.SQL(" # ").join(
            sql.SQL("coalesce({}.bits, 0)").format(alias(at)) for at, _ in enumerate(models)
        ),
        "predictions": each(models, "{}.prediction"),
    }


def each(models: Sequence[ScoredBy], columns: LiteralString) -> sql.Composable:
    """Return these columns of each model's scores, `{}` being their alias."""
    return sql.SQL(", ").join(sql.SQL(columns).format(alias(at)) for at, _ in enumerate(models))


def alias(at: int) -> sql.Identifier:
    """Return what the scores of a set's n-th model are called."""
    return sql.Identifier(f"m{at}")


def not_built(error: Exception) -> NotReady:
    """Return the error that says how to make what a query looked for."""
    return NotReady(
        f"the warehouse is not built ({str(error).splitlines()[0]}); run: footfall build"
    )
