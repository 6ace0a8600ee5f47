"""Tasks made of one function of the product: what its result means to Airflow.

A result is the task's XCom and the ``extra`` of its outlets' events. No result, or ``NotReady``:
there was nothing to do, the task is skipped and nothing downstream runs. ``GateStopped``,
``BadArgument`` and ``BuildFailed`` fail at once, for a second try would see the same data; any
other error is tried again.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from airflow.sdk import Asset, Context, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic_core import to_jsonable_python

from footfall.errors import BadArgument, BuildFailed, GateStopped, NotReady
from footfall_airflow.assets import FEATURES

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MODEL_NAMES = ["purchase", "churn"]
RETRIES = 2
RETRY_DELAY = timedelta(seconds=10)
AS_OF = {
    "as_of": Param(
        None,
        type=["null", "string"],
        title="As of",
        description="Know nothing later than this instant (ISO 8601, UTC). "
        "Empty: the midnight after the newest event.",
    )
}
REPLAY_WINDOW = {
    name: Param(
        None,
        type=["null", "string"],
        title=name.capitalize(),
        description=f"Replay from Kafka the window {meaning} this instant (ISO 8601, UTC). "
        "Empty: load what is new.",
    )
    for name, meaning in (("since", "from"), ("until", "before"))
}


def stage(*, outlets: Sequence[Asset] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Make a task of a function that returns what it did: None, if there was nothing to do."""

    def decorate(body: Callable[..., Any]) -> Any:
        @wraps(body)
        def run(*args: Any, **kwargs: Any) -> Any:
            facts = _done(body, args, kwargs)
            for asset in outlets:
                get_current_context()["outlet_events"][asset].extra.update(facts)
            return facts

        return task(run, outlets=list(outlets), retries=RETRIES, retry_delay=RETRY_DELAY)

    return decorate


def _done(body: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    try:
        result = body(*args, **kwargs)
    except NotReady as error:
        raise AirflowSkipException(str(error)) from error
    except (GateStopped, BadArgument, BuildFailed) as error:
        raise AirflowFailException(str(error)) from error
    if result is None:
        raise AirflowSkipException("there was nothing to do")
    return to_jsonable_python(result)


def now() -> datetime:
    """Read the wall clock: it enters the Dags here, and nowhere below."""
    return datetime.now(UTC)


def instant(text: str | None) -> datetime | None:
    """Read an ISO 8601 instant of a param or an event; no offset means UTC.

    Raises:
        BadArgument: the text is no instant; names it.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadArgument(f"{text!r} is no ISO 8601 instant, such as 2017-12-02") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_of(context: Context) -> datetime | None:
    """Find the instant that a run is about: its param, else what the newest features say."""
    events = context["triggering_asset_events"].get(FEATURES, ())
    told = [instant(event.extra["as_of"]) for event in events]
    return instant(context["params"]["as_of"]) or max(told, default=None)
