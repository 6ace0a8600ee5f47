"""Profiles over HTTP with JSON, for shops that do not speak Redis: thin, around AsyncStorefront.

``GET /v1/customers/{customer_id}`` and ``POST /v1/customers`` want a key; ``/healthz``,
``/metrics`` and ``/openapi.json`` tell nothing of a customer and want none. Who is unknown is no
error: the answer is 200, with ``status``, ``why`` and what to show to them, as the clients have it.
"""

import hmac
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Annotated, Any

import msgspec
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.exceptions import RedisError

from footfall.errors import BadArgument, ServerUnavailable
from footfall.settings import settings
from footfall.storefront.client import AsyncStorefront
from footfall.storefront.reading import MOST_CUSTOMERS
from footfall.storefront.record import Profile

SHORTEST_KEY = 16
MOST_BYTES = 262_144
"""Of a body: more than 1,000 customers with their segments need."""
BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

CustomerId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
Segment = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Batch(BaseModel):
    """Whose profiles are asked for, and the segments of those whom the caller knows."""

    model_config = ConfigDict(extra="forbid")

    customer_ids: list[CustomerId] = Field(max_length=MOST_CUSTOMERS)
    segments: dict[CustomerId, Segment] = Field(
        default={}, max_length=MOST_CUSTOMERS, json_schema_extra={"additionalProperties": False}
    )


class Profiles(BaseModel):
    """Profiles by customer_id, all of one publication."""

    customers: dict[str, Profile]


class Health(BaseModel):
    """Whether Redis answers, and the live publication's version."""

    status: str
    version: str | None


class Problem(BaseModel):
    """What is wrong, in one line."""

    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No key, or a wrong one"},
    503: {"model": Problem, "description": "Redis refuses to answer"},
}


class Meters:
    """What ``/metrics`` tells: seconds by route and answer, profiles by status."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "footfall_lookup_request_seconds",
            "Seconds from a request's head to its answer",
            ("method", "route", "code"),
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.profiles = Counter(
            "footfall_lookup_profiles",
            "Profiles by status, and why they are unknown",
            ("status", "why"),
            registry=self.registry,
        )

    def count(self, profiles: Mapping[str, Profile]) -> None:
        """Count profiles that were given."""
        for profile in profiles.values():
            self.profiles.labels(profile.status, profile.why or "").inc()

    def around(self, app: App) -> App:
        """Return the app with its requests measured."""

        async def measured(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started, code = perf_counter(), 500

            async def sending(message: dict[str, Any]) -> None:
                nonlocal code
                code = message.get("status", code)
                await send(message)

            try:
                await app(scope, receive, sending)
            finally:
                route = getattr(scope.get("route"), "path", "none")
                seconds = perf_counter() - started
                self.seconds.labels(scope["method"], route, code).observe(seconds)

        return measured


def build(storefront: AsyncStorefront, *, keys: Sequence[str]) -> FastAPI:
    """Return the application.

    Args:
        storefront: what it reads with; it is closed when the application ends.
        keys: any of these opens ``/v1``.
    """
    meters = Meters()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await storefront.close()

    app = FastAPI(
        title="Footfall lookup API",
        version="1",
        description=__doc__,
        lifespan=lifespan,
        docs_url=None,  # these pages fetch scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(meters.around)
    allowed = Depends(_key_check(keys))

    @app.exception_handler(RedisError)
    async def refused(_: Request, error: RedisError) -> Response:
        return _json(Problem(detail=f"Redis refused: {error}").model_dump(), status=503)

    @app.get(
        "/v1/customers/{customer_id}",
        dependencies=[allowed],
        responses={200: {"model": Profile}, **PROBLEMS},
    )
    async def one(
        customer_id: Annotated[CustomerId, Path()],
        segment: Annotated[Segment | None, Query()] = None,
    ) -> Response:
        """Return one customer's profile; ``segment`` chooses the products of who is unknown."""
        profile = await storefront.get(customer_id, segment=segment)
        meters.count({customer_id: profile})
        return _json(profile)

    @app.post(
        "/v1/customers",
        dependencies=[allowed],
        responses={
            200: {"model": Profiles},
            413: {"model": Problem, "description": f"The body has more than {MOST_BYTES} bytes"},
            422: {"description": "The body is no batch of customers"},
            **PROBLEMS,
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": Batch.model_json_schema()}},
            }
        },
    )
    async def many(request: Request) -> Response:
        """Return up to 1,000 customers' profiles, all of one publication."""
        try:
            batch = Batch.model_validate_json(await _body(request))
        except ValidationError as error:
            reasons = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError(reasons) from None
        profiles = await storefront.get_many(batch.customer_ids, segments=batch.segments)
        meters.count(profiles)
        return _json({"customers": profiles})

    @app.get("/healthz", responses={200: {"model": Health}, 503: {"model": Health}})
    async def health() -> Response:
        """Tell whether Redis answers; 503 if it does not."""
        try:
            version = await storefront.version()
        except RedisError:
            return _json({"status": "unavailable", "version": None}, status=503)
        return _json({"status": "ok", "version": version})

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Return the counters in Prometheus's text format."""
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def serve(*, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: loopback, or the address of an interface.
        port: 0 takes a free one.
        on_ready: is told the URL.

    Raises:
        BadArgument: no key is set, or one is too short; or the URL is no Redis's.
        ServerUnavailable: the port cannot be had.
    """
    keys = settings().api_key_list
    if not keys or min(map(len, keys)) < SHORTEST_KEY:
        raise BadArgument(
            f"FOOTFALL_API_KEYS holds no key, or one of fewer than {SHORTEST_KEY} characters; "
            "make one: openssl rand -hex 32"
        )
    try:
        storefront = AsyncStorefront(settings().storefront_url or settings().redis)
    except ValueError as error:
        raise BadArgument(f"FOOTFALL_STOREFRONT_URL: {error}") from None
    try:
        door = socket.create_server((host, port))
    except OSError as error:
        raise ServerUnavailable(
            f"{host}:{port} cannot be had ({error.strerror}); choose another: --port N"
        ) from None
    config = uvicorn.Config(
        build(storefront, keys=keys), log_level="warning", access_log=False, server_header=False
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises it again when it has shut down
        signal.signal(number, lambda *_: None)
    with door:
        on_ready(f"http://{host}:{door.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[door])


def _key_check(keys: Sequence[str]) -> Callable[..., None]:
    known = [key.encode() for key in keys]
    bearer = HTTPBearer(auto_error=False, description="One of FOOTFALL_API_KEYS")

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        """Compare with every key, in the same time whether one is right or none."""
        key = given.credentials.encode() if given else b""
        if not any([hmac.compare_digest(key, one) for one in known]):
            raise HTTPException(
                401, "give a key: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )

    return check


async def _body(request: Request) -> bytes:
    """Read a body that is not too long; only then, for FastAPI would read it before the key."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body has more than {MOST_BYTES} bytes")
    return bytes(body)


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
