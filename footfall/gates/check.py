"""Ask a gate: read what is at the door, evaluate the suites, store the verdict and return it.

A gate never lets through what it could not check. Nothing to check, a frame without rows or a rule
that was not evaluated is a verdict of its own: stop.
"""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from expectations import events as event_suites
from expectations import features as feature_suites
from expectations import scores as score_suites
from expectations.evaluate import Result, evaluate
from footfall.events.native import NATIVE_CALLS
from footfall.settings import settings
from footfall.warehouse import verdicts
from footfall.warehouse.connection import transaction
from footfall.warehouse.verdicts import NOTHING, Gate, Verdict, record_verdict
from ml.features import NAMES
from ml.labels import LABELS

AMOUNTS = frozenset(name for name, label in LABELS.items() if label.kind == "amount")
SAMPLE_ROWS = 200_000  # more pending events than this are judged by a sample; the ledger counts all


def check_raw() -> Verdict:
    """Judge the loads that no finished build took in yet.

    Returns:
        The stored verdict; it names the loads. Stop when no load is pending.
    """
    with transaction() as connection:
        load_ids = verdicts.pending_loads(connection)
        if not load_ids:
            return _nothing(connection, "raw", "no load is pending; load events: footfall ingest")
        ledger = verdicts.ledger_frame(connection, load_ids)
        results = [evaluate(event_suites.judged_ledger(ledger), event_suites.ledger_suite())]
        # Loads may hold nothing but duplicates and rejects: then the ledger is all there is.
        found = int((ledger.stored - ledger.erased_rows).sum())
        if found:
            share = min(1.0, SAMPLE_ROWS / found)
            rows = verdicts.event_rows_frame(connection, load_ids, share=share)
            results.append(evaluate(rows, event_suites.rows_suite(set(NATIVE_CALLS))))
        return record_verdict(
            connection,
            _verdict(
                "raw",
                ranges(load_ids),
                results,
                rows_checked=results[-1].rows,
                rows_found=found or results[-1].rows,
                load_ids=load_ids,
            ),
        )


def check_features(as_of: datetime | None = None) -> Verdict:
    """Judge the features of one instant.

    Args:
        as_of: the instant; None means the newest that features are kept for.

    Returns:
        The stored verdict. Stop when there are no features of that instant.
    """
    with transaction() as connection:
        newest = verdicts.newest_features_as_of(connection)
        instant = as_of or newest
        subject = verdicts.as_of_subject(instant) if instant else NOTHING
        if instant is None or newest is None:
            reason = "analytics.customer_features holds no row; build it: footfall build"
            return _nothing(connection, "features", reason, subject)
        frame = verdicts.features_frame(connection, instant)
        results = [evaluate(*judged) for judged in feature_suites.judged(frame, NAMES)]
        verdict = _verdict("features", subject, results, rows_checked=len(frame))
        return record_verdict(connection, verdict)


def check_scores(score_set: int | None = None) -> Verdict:
    """Judge one score set.

    Args:
        score_set: its number; None means the newest complete one.

    Returns:
        The stored verdict. Stop when there is no such set, or when it was not written to its end.
    """
    with transaction() as connection:
        number = score_set or verdicts.newest_score_set(connection)
        if number is None:
            reason = "no score set is complete; make one: footfall score"
            return _nothing(connection, "scores", reason)
        if not verdicts.is_complete(connection, number):
            reason = f"score set {number} is not complete; make one: footfall score"
            return _nothing(connection, "scores", reason, str(number))
        rows = verdicts.score_rows_frame(connection, number)
        models = verdicts.score_models_frame(connection, number)
        results = [
            evaluate(rows, score_suites.rows_suite()),
            evaluate(
                score_suites.judged_models(models, AMOUNTS),
                score_suites.models_suite(LABELS, drift_stops=settings().drift == "block"),
            ),
        ]
        verdict = _verdict("scores", str(number), results, rows_checked=len(rows))
        return record_verdict(connection, verdict)


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers briefly.

    >>> ranges([1, 2, 3, 5, 8, 9])
    '1-3,5,8-9'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ",".join("-".join(map(str, span)) for span in spans)


def _verdict(
    gate: Gate,
    subject: str,
    results: Sequence[Result],
    *,
    rows_checked: int | None = None,
    rows_found: int | None = None,
    load_ids: Sequence[int] = (),
) -> Verdict:
    words = [result.verdict for result in results]
    checked = sum(result.rows for result in results) if rows_checked is None else rows_checked
    return Verdict(
        gate=gate,
        subject=subject,
        verdict="stop" if "stop" in words else "warn" if "warn" in words else "pass",
        rows_checked=checked,
        expected=sum(result.expected for result in results),
        evaluated=sum(result.evaluated for result in results),
        failures=tuple(str(failure) for result in results for failure in result.failures),
        rows_found=checked if rows_found is None else rows_found,
        load_ids=tuple(load_ids),
    )


def _nothing(
    connection: Connection[TupleRow], gate: Gate, reason: str, subject: str = NOTHING
) -> Verdict:
    verdict = Verdict(
        gate=gate,
        subject=subject,
        verdict="stop",
        rows_checked=0,
        expected=0,
        evaluated=0,
        failures=(reason,),
        rows_found=0,
    )
    return record_verdict(connection, verdict)
