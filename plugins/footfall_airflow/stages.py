"""Tasks made of one function of the product: what its result means to Airflow.

A result is the task's XCom and the ``extra`` of its outlets' events. No result: there was nothing
to do, the task is skipped and nothing downstream runs. ``NotReady`` and ``NotBetter`` are the same,
except where the stage before has promised its part. Errors that a second try would meet again fail
at once; any other is tried again. Why a task failed for good is posted to ``FOOTFALL_ALERT_URL``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from urllib.request import Request, urlopen

from airflow.sdk import Asset, Context, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic_core import to_jsonable_python

from footfall.errors import BadArgument, BuildFailed, GateStopped, NotBetter, NotReady, Unusual
from footfall.events.instants import parse_instant
from footfall_airflow.assets import DRIFT, FEATURES

ACTOR = "airflow"
BACKFILL = "backfill"  # a run's type
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# A second try would see the same.
FINAL = (GateStopped, BadArgument, BuildFailed, NotBetter, NotReady, Unusual)
RETRIES = 2
RETRY_DELAY = timedelta(seconds=10)
ALERT_SECONDS = 10
AS_OF = {
    "as_of": Param(
        None,
        type=["null", "string"],
        title="As of",
        description="Know nothing later than this instant (ISO 8601, UTC). "
        "Empty: the midnight after the newest event.",
    )
}
TRAINED = {
    "models": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        minItems=1,
        title="Models",
        description="Labels of ml/labels to train, such as value or discount. "
        "Empty: those that have shifted, or else purchase, churn and all that have a champion.",
    )
}
REPLAY_WINDOW = {
    name: Param(
        None,
        type=["null", "string"],
        title=name.capitalize(),
        description=f"Replay from Kafka the window {meaning} this instant (ISO 8601, UTC). "
        "Empty: load what is new; in a backfill, the run's data interval.",
    )
    for name, meaning in (("since", "from"), ("until", "before"))
}


def stage(
    *, outlets: Sequence[Asset] = (), skips: bool = True, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Make a task of a function that returns what it did, or None if there was nothing to do.

    Args:
        outlets: the assets that the task makes.
        skips: whether ``NotReady`` or ``NotBetter`` skips the task, or fails it.
        options: of Airflow's task.
    """

    def decorate(body: Callable[..., Any]) -> Any:
        @wraps(body)
        def run(*args: Any, **kwargs: Any) -> Any:
            facts = _facts(body, args, kwargs, skips=skips)
            for asset in outlets:
                get_current_context()["outlet_events"][asset].extra.update(facts)
            return facts

        tries = {"retries": RETRIES, "retry_delay": RETRY_DELAY}
        return task(run, outlets=[*outlets], on_failure_callback=[alert], **tries, **options)

    return decorate


def alert(context: Context) -> None:
    """Post why a task failed to ``FOOTFALL_ALERT_URL``, as JSON; nothing where that is not set."""
    from footfall.settings import settings

    url = settings().alert_url
    if url is None:
        return
    failed = context["task_instance"]
    facts = {"dag_id": failed.dag_id, "task_id": failed.task_id, "run_id": failed.run_id}
    reason = str(context.get("exception", "its process ended"))
    text = f"{failed.dag_id}.{failed.task_id} failed: {reason}"
    body = json.dumps({"text": text, "reason": reason, **facts}).encode()
    request = Request(url, body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=ALERT_SECONDS):
        pass


def _facts(
    body: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, skips: bool
) -> Any:
    try:
        result = body(*args, **kwargs)
    except FINAL as error:
        nothing_to_do = skips and isinstance(error, NotBetter | NotReady)
        verdict = AirflowSkipException if nothing_to_do else AirflowFailException
        raise verdict(str(error)) from error
    if result is None:
        raise AirflowSkipException("there was nothing to do")
    return to_jsonable_python(result, exclude_none=True)


def now() -> datetime:
    """Read the wall clock: it enters the Dags here, and nowhere below."""
    return datetime.now(UTC)


def instant(text: str | None) -> datetime | None:
    """Read an instant of a param or an event; None stays None.

    Raises:
        BadArgument: the text is no instant; names it.
    """
    try:
        return parse_instant(text) if text else None
    except ValueError:
        raise BadArgument(f"{text!r} is no ISO 8601 instant, such as 2017-12-02") from None


def window(context: Context) -> tuple[datetime | None, datetime | None]:
    """Find the window of events that a run is about: its params, else a backfill's data interval.

    Returns:
        From, inclusive, and until, exclusive. Both None: what is new.
    """
    params = context["params"]
    if params["since"] or params["until"]:
        return instant(params["since"]), instant(params["until"])
    if context["dag_run"].run_type == BACKFILL:
        return _plain(context["data_interval_start"]), _plain(context["data_interval_end"])
    return None, None


def _plain(at: datetime) -> datetime:
    """Return an instant of Airflow's, which is pendulum's, as the product reckons with it."""
    return parse_instant(at.isoformat())


def shifted(context: Context) -> list[str]:
    """Find the models that a run was started for because they have shifted."""
    events = context["triggering_asset_events"].get(DRIFT, ())
    return sorted({name for event in events for name in event.extra["names"]})


def as_of(context: Context) -> datetime | None:
    """Find the instant that a run is about: its param, else what the newest features say."""
    events = context["triggering_asset_events"].get(FEATURES, ())
    told = [instant(event.extra["as_of"]) for event in events]
    return instant(context["params"]["as_of"]) or max(told, default=None)
