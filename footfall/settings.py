"""Every setting of Footfall, read once into a frozen object.

The list with its meanings is ``.env.example``. The local servers write their addresses to
``<home>/stack.json``; setting ``postgres_dsn``, ``redis_url`` or ``kafka_bootstrap`` replaces that
server.
"""

import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from footfall.errors import BadArgument, ServerUnavailable

ROOT = Path(__file__).resolve().parent.parent
GAP_KINDS = ("retention", "recreated", "beyond_end", "new_cluster")
TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")  # as Kafka's Topic.validate has it


class Settings(BaseSettings):
    """What may differ from one installation to the next."""

    model_config = SettingsConfigDict(
        env_prefix="FOOTFALL_", env_file=".env", extra="ignore", frozen=True
    )

    home: Path = ROOT / ".footfall"
    postgres_dsn: str | None = None
    redis_url: str | None = None
    kafka_bootstrap: str | None = None
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_file: FilePath | None = None
    kafka_ssl_cert_file: FilePath | None = None
    kafka_ssl_key_file: FilePath | None = None
    airflow_dsn: str | None = None
    kafka_broker: Literal["auto", "apache", "wheel"] = "auto"
    postgres_port: int | None = None
    redis_port: int | None = None
    kafka_port: int | None = None
    airflow_port: int | None = None
    topics: str = "shop.events"
    catalog_topic: str = "shop.catalog"
    segments_topic: str = "shop.segments"
    first_day: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    unknown_consent: Literal["deny", "allow"] = "deny"
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    batch_records: int = Field(default=10_000, ge=1)
    batch_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    session_gap_minutes: int = Field(default=30, ge=1)
    most_rejected: float = Field(default=0.5, ge=0, le=1)
    accepted_gaps: str = "new_cluster"
    loaders: int = Field(default=4, ge=1)
    raw_retention_days: int | None = Field(default=None, ge=1)
    promotion_approval: Literal["none", "required"] = "none"
    score_ttl_hours: int = Field(default=48, ge=1)
    experiment: str | None = None
    experiment_arms: str = "treatment=90,holdout=10"
    storefront_url: str | None = None
    api_keys: SecretStr = SecretStr("")
    most_lost_customers: float = Field(default=0.2, ge=0, le=1)
    most_score_shift: float = Field(default=0.2, ge=0, le=1)
    most_segment_change: float = Field(default=0.6, ge=0, le=1)
    delta_most_changed: float = Field(default=0.1, ge=0, le=1)
    drift: Literal["warn", "block"] = "warn"
    model_max_age_days: int = Field(default=60, ge=1)
    features_max_age_hours: int = Field(default=48, ge=1)
    search_trials: int = Field(default=0, ge=0)
    search_seconds: float | None = Field(default=None, gt=0)
    train_in_memory_rows: int = Field(default=5_000_000, ge=1)
    dask_scheduler: str | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    sensitive_traits: str = ""
    quiet_warn_minutes: int = Field(default=60, ge=1)
    quiet_error_minutes: int = Field(default=360, ge=1)
    unpublished_minutes: int = Field(default=30, ge=1)
    alert_url: str | None = Field(default=None, pattern="^https?://")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @field_validator(
        *("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password"),
        *("kafka_ssl_ca_file", "kafka_ssl_cert_file", "kafka_ssl_key_file", "raw_retention_days"),
        *("search_seconds", "dask_scheduler", "experiment", "storefront_url", "alert_url"),
        mode="before",
    )
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("first_day")
    @classmethod
    def _utc(cls, day: datetime) -> datetime:
        return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)

    @field_validator("topics", "catalog_topic", "segments_topic")
    @classmethod
    def _topic_names(cls, value: str, info: ValidationInfo) -> str:
        names = _listed(value) if info.field_name == "topics" else [value]
        wrong = [name for name in names if not TOPIC_NAME.fullmatch(name)]
        if wrong or not names:
            raise PydanticCustomError(
                "topic_name",
                "a topic's name is 1 to 249 of the letters A to Z, digits, '.', '_' and '-'",
            )
        return value

    @field_validator("accepted_gaps")
    @classmethod
    def _gap_kinds(cls, value: str) -> str:
        for kind in _listed(value):
            if kind not in GAP_KINDS:
                raise PydanticCustomError(
                    "gap_kind",
                    "{kind} is no kind of gap; give none or some of {kinds}, separated by commas",
                    {"kind": repr(kind), "kinds": ", ".join(GAP_KINDS)},
                )
        return value

    @property
    def topic_list(self) -> list[str]:
        """The Kafka topics that carry events."""
        return _listed(self.topics)

    @property
    def accepted_gap_list(self) -> list[str]:
        """The kinds of gap beyond which loading goes on by itself."""
        return _listed(self.accepted_gaps)

    @property
    def sensitive_trait_list(self) -> list[str]:
        """The traits of customers that models are judged by and never learn from."""
        return _listed(self.sensitive_traits)

    @property
    def api_key_list(self) -> list[str]:
        """The keys that open the lookup API; none opens nothing."""
        return _listed(self.api_keys.get_secret_value())

    @property
    def stack_file(self) -> Path:
        """Where the local servers record their ports, pids and addresses."""
        return self.home / "stack.json"

    def _local(self, service: str, key: str) -> str:
        if not self.stack_file.exists():
            raise ServerUnavailable(
                f"no {service} is set (FOOTFALL_{key.upper()}) and no local one runs under "
                f"{self.home}; start it with: footfall up"
            )
        record = json.loads(self.stack_file.read_text())
        return str(record["services"][service]["address"])

    @property
    def postgres(self) -> str:
        """The DSN of the database ``footfall``."""
        return self.postgres_dsn or self._local("postgres", "postgres_dsn")

    @property
    def redis(self) -> str:
        """The URL of the Redis that storefronts read."""
        return self.redis_url or self._local("redis", "redis_url")

    @property
    def kafka(self) -> str:
        """The bootstrap servers, ``host:port[,host:port]``."""
        return self.kafka_bootstrap or self._local("kafka", "kafka_bootstrap")


def _listed(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises:
        BadArgument: a value cannot be read; names the setting and the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "FOOTFALL_" + str(first["loc"][0]).upper()
        raise BadArgument(f"{name}={first['input']!r}: {first['msg']}") from None
