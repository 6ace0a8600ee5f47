"""The path, stage after stage, with the gates between them: what the Dags' tasks and commands call.

A stage knows nothing of the others; here they are put in order. A function for a Dag's task returns
what was done, or None when there was nothing to do. A ``gated_`` one runs the gate in front of its
stage first, when that gate has not spoken yet.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from footfall.errors import NotBetter, NotReady

if TYPE_CHECKING:
    from footfall.ingest.micro_batch import Ingested
    from footfall.ingest.reader import Partition
    from footfall.modelling.approval import Proposal
    from footfall.modelling.promotion import Promotion
    from footfall.modelling.scoring import ScoreSet
    from footfall.publish.publication import Publication
    from footfall.warehouse.build import Build
    from footfall.warehouse.monitor import Monitored
    from footfall.warehouse.verdicts import Verdict

T = TypeVar("T")
MODELS = ("purchase", "churn")


@dataclass(frozen=True)
class Stage:
    """One stage that is over, and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """The whole path, gone once."""

    stages: tuple[Stage, ...]
    scored: "ScoreSet"
    publication: "Publication"


@dataclass(frozen=True)
class Cleared:
    """What a gate let pass: an instant's features and their build, or a score set and its drift."""

    verdict: str
    rows_checked: int
    failures: tuple[str, ...]
    as_of: datetime | None = None
    score_set: int | None = None
    build: Mapping[str, Any] | None = None
    drift: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Snapshot:
    """The features of one instant, and whether they had to be built."""

    as_of: datetime
    was_missing: bool


@dataclass(frozen=True)
class Promotions:
    """The models that became champions, and why the others did not."""

    promoted: tuple[str, ...]
    reasons: dict[str, str]


def share_partitions() -> "list[list[Partition]]":
    """Return groups of (topic, partition): what each of the loaders side by side shall load."""
    from footfall.ingest.groups import partition_groups
    from footfall.settings import settings

    return partition_groups(settings().loaders)


def load_events(
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    partitions: Iterable[Sequence[Any]] | None = None,
) -> "Ingested | None":
    """Load what is new, or replay a window; None when nothing was stored.

    ``partitions`` are the (topic, partition)s to read, as pairs; None is all.
    """
    from footfall.ingest.micro_batch import ingest_until_caught_up
    from footfall.ingest.window import ingest_window

    named = None if partitions is None else [(str(topic), int(n)) for topic, n in partitions]
    if since or until:
        done = ingest_window(since, until, partitions=named)
    else:
        done = ingest_until_caught_up(partitions=named)
    return done if done.stored else None


def add_up(loaded: Iterable[Mapping[str, Any]]) -> "Ingested":
    """Return what loaders that worked side by side have loaded together."""
    from footfall.ingest import micro_batch

    each = [micro_batch.Ingested(**facts) for facts in loaded]
    return micro_batch.add_up(each, max(one.seconds for one in each))


def load_catalog() -> "Ingested | None":
    """Load what is new in the catalog; None when nothing was stored."""
    from footfall.ingest import catalog

    done = catalog.load_catalog()
    return done if done.stored else None


def gate_raw(as_of: datetime | None = None) -> Cleared:
    """Check the loads that wait for a build.

    Raises:
        GateStopped: they are unfit.
        NotReady: none waits, and no instant was asked for.
    """
    from footfall.gates.check import check_raw

    if _pending_loads():
        return _cleared(check_raw())
    if as_of is None:
        raise NotReady("no load waits for a build; give an as_of to build that instant anyway")
    return Cleared("pass", 0, ())


def build_past(as_of: datetime) -> Snapshot:
    """Build the snapshot of a past instant, if it is missing. Waits for no load, and takes none in.

    Raises:
        NotReady: the warehouse is not built that far.
    """
    from footfall.warehouse.build import build_snapshots

    return Snapshot(as_of, was_missing=bool(build_snapshots([as_of])))


def gate_features(as_of: datetime, build: Mapping[str, Any] | None = None) -> Cleared:
    """Check the features of an instant; raise GateStopped when they are unfit.

    ``build`` is the report of the build that made them, to be told along.
    """
    from footfall.gates.check import check_features

    return _cleared(check_features(as_of), as_of=as_of, build=build)


def watch_events() -> "Monitored":
    """Check that events come in, and as many as usual; raise Unusual when they do not."""
    from footfall.warehouse.monitor import monitor

    seen = monitor()
    seen.enforce()
    return seen


def proposals(model_ids: Sequence[str]) -> "list[Proposal]":
    """Return what a person is to be asked: nothing, unless approval is required."""
    from footfall.modelling.approval import propose
    from footfall.settings import settings

    if settings().promotion_approval == "none":
        return []
    return [proposal for model_id in model_ids if (proposal := propose(model_id))]


def promote_better(
    model_ids: Sequence[str],
    answers: Iterable[Mapping[str, Any]] = (),
    *,
    now: datetime,
    actor: str,
) -> Promotions:
    """Promote the challengers that beat their champion, and that a person approved where needed.

    Args:
        model_ids: the challengers.
        answers: to the proposals, as fields of Approval.
        now: when.
        actor: who does it.

    Raises:
        NotBetter: none became champion; says why.
    """
    from footfall.modelling.approval import Approval
    from footfall.modelling.promotion import promote_if_better

    approvals = {answer["model_id"]: Approval(**answer) for answer in answers}
    asked = {
        model_id: promote_if_better(
            model_id, now=now, actor=actor, approval=approvals.get(model_id)
        )
        for model_id in model_ids
    }
    promoted = tuple(model_id for model_id, answer in asked.items() if answer.promoted)
    reasons = {model_id: answer.reason for model_id, answer in asked.items()}
    if not promoted:
        raise NotBetter("; ".join(f"{model_id}: {why}" for model_id, why in reasons.items()))
    return Promotions(promoted, reasons)


def gate_scores(score_set: int) -> Cleared:
    """Check a score set; raise GateStopped when it is unfit."""
    from footfall.gates.check import check_scores
    from footfall.modelling.drifting import drift_words

    cleared = _cleared(check_scores(score_set), score_set=score_set)
    return replace(cleared, drift=drift_words(score_set))


def gated_build(
    as_of: datetime | None = None, *, full_refresh: bool = False, keep_built: bool = False
) -> "Build":
    """Build, once the gate has let the waiting loads in.

    Raises:
        GateStopped: they are unfit.
    """
    from footfall.warehouse.build import build
    from footfall.warehouse.connection import transaction
    from footfall.warehouse.verdicts import loads_cleared, pending_loads

    with transaction() as connection:
        unchecked = set(pending_loads(connection)) - set(loads_cleared(connection))
    if unchecked:
        from footfall.gates.check import check_raw

        check_raw().enforce()
    return build(as_of, full_refresh=full_refresh, keep_built=keep_built)


def gated_score(as_of: datetime | None = None, *, now: datetime, anew: bool = False) -> "ScoreSet":
    """Check the features, for a build may have changed them since, and score.

    Raises:
        GateStopped: the features are unfit.
        NotReady: no model is champion, or there are no features of that instant.
    """
    from footfall.gates.check import check_features
    from footfall.modelling.scoring import score
    from footfall.warehouse.connection import transaction
    from footfall.warehouse.verdicts import newest_features_as_of

    with transaction() as connection:
        instant = as_of or newest_features_as_of(connection)
    if instant:
        check_features(instant).enforce()
    return score(instant, now=now, anew=anew)


def gated_publish(
    *, now: datetime, actor: str, full: bool = False, accept: bool = False
) -> "Publication":
    """Publish the newest score set, once the gate has let it out.

    Raises:
        GateStopped: it is unfit, or too different from the live one.
        NotReady: no score set is complete.
    """
    from footfall.publish.publication import publish
    from footfall.warehouse.connection import transaction
    from footfall.warehouse.publications import newest_score_set

    with transaction() as connection:
        newest = newest_score_set(connection)
    if newest and newest.verdict is None:
        gate_scores(newest.score_set)
    return publish(now=now, actor=actor, full=full, accept=accept)


def run_until_published(
    *,
    now: Callable[[], datetime],
    actor: str,
    on_stage: Callable[[Stage], None] = lambda stage: None,
) -> Run:
    """Go the whole path once: load what is new, build, train what has no champion, score, publish.

    Args:
        now: reads the wall clock.
        actor: who does it, for the audit log.
        on_stage: is told of each stage that is over.

    Raises:
        GateStopped: a gate stopped the path; nothing behind it has run.
        NotReady: there is no event.
    """
    from footfall.ingest.micro_batch import ingest_until_caught_up

    stages: list[Stage] = []

    def timed(name: str, act: Callable[[], T]) -> T:
        started = time.monotonic()
        done = act()
        stages.append(Stage(name, time.monotonic() - started))
        on_stage(stages[-1])
        return done

    timed("ingest", ingest_until_caught_up)
    timed("catalog", load_catalog)
    built = timed("build", gated_build)
    for name in _without_champion():
        timed(f"train {name}", partial(train_champion, name, now=now(), actor=actor))
    scored = timed("score", lambda: gated_score(built.as_of, now=now()))
    publication = timed("publish", lambda: gated_publish(now=now(), actor=actor))
    return Run(tuple(stages), scored, publication)


def train_champion(name: str, *, now: datetime, actor: str) -> "Promotion":
    """Train a model and promote it."""
    from footfall.modelling.promotion import promote_if_better
    from footfall.modelling.training import train

    return promote_if_better(train(name, now=now).model_id, now=now, actor=actor)


def _without_champion() -> list[str]:
    from footfall.modelling.models import list_models

    champions = {model.name for model in list_models() if model.state == "champion"}
    return [name for name in MODELS if name not in champions]


def _pending_loads() -> list[int]:
    from footfall.warehouse.connection import transaction
    from footfall.warehouse.verdicts import pending_loads

    with transaction() as connection:
        return pending_loads(connection)


def _cleared(
    verdict: "Verdict",
    *,
    as_of: datetime | None = None,
    score_set: int | None = None,
    build: Mapping[str, Any] | None = None,
) -> Cleared:
    verdict.enforce()
    return Cleared(verdict.verdict, verdict.rows_checked, verdict.failures, as_of, score_set, build)
