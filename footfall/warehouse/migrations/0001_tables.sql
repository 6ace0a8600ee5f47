-- The tables that Footfall writes itself. What dbt builds lives in schema analytics.
create schema raw;
create schema intermediate;           -- dbt's own steps between raw and analytics
create schema analytics;
create schema ml;
create schema serving;
create schema privacy;

-- raw: what came from Kafka -----------------------------------------------------------------

-- One row per micro-batch. records_read = stored + duplicates + rejected, by constraint.
create table raw.loads (
    load_id bigint generated always as identity primary key,
    cluster_id text not null,
    started_at timestamptz not null,
    committed_at timestamptz not null default clock_timestamp(),
    records_read bigint not null,
    stored bigint not null,
    duplicates bigint not null,
    rejected bigint not null,
    oldest_event_at timestamptz,
    newest_event_at timestamptz,
    offset_ranges jsonb not null,
    check (records_read = stored + duplicates + rejected)
);

-- One row per stored event. message_id is unique over all partitions and time.
create table raw.events (
    message_id text primary key,
    event_name text not null,
    customer_ref text not null,           -- 'u:<user id>', else 'a:<anonymous id>'
    anonymous_id text,
    user_id text,
    occurred_at timestamptz not null,
    received_at timestamptz not null,     -- the Kafka record's timestamp
    dialect text not null,
    mapping_version integer not null default 1,
    allows_profiling boolean,             -- what this event says of consent; null = it says nothing
    payload jsonb not null,
    load_id bigint not null references raw.loads,
    kafka_topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null
);
create index events_by_load on raw.events (load_id);
create index events_by_customer_ref on raw.events (customer_ref, occurred_at);
create index events_by_occurred_at on raw.events (occurred_at);

-- One row per record that was set aside.
create table raw.rejected_events (
    cluster_id text not null,
    kafka_topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    reason text not null,
    detail text not null,
    event_name text,
    raw bytea,                            -- null: the record had no value, or its customer is erased
    received_at timestamptz not null default clock_timestamp(), -- the Kafka record's timestamp
    load_id bigint not null references raw.loads,
    replayed_at timestamptz,
    primary key (cluster_id, kafka_topic, kafka_partition, kafka_offset)
);

-- One row per partition: where the next micro-batch starts. epoch counts the writers.
create table raw.partition_offsets (
    cluster_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    epoch bigint not null default 0,
    load_id bigint references raw.loads,
    primary key (cluster_id, topic, partition)
);

-- ops: builds, snapshots, verdicts ----------------------------------------------------------

-- One row per run of dbt. finished_at is set when it succeeded; built_through is the instant that
-- sessions, orders and customers reach (it moves back only by a full refresh).
create table ops.builds (
    build_id bigint generated always as identity primary key,
    as_of timestamptz not null,
    built_through timestamptz not null,
    full_refresh boolean not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);

-- One row per instant that snapshots (rfm, features, labels) are kept for. build_id is the finished build
-- that made it first; null = still to be made.
create table ops.snapshots (
    as_of timestamptz primary key,
    build_id bigint references ops.builds,
    requested_at timestamptz not null default clock_timestamp()
);

-- One row per load that a build took in.
create table ops.build_loads (
    build_id bigint not null references ops.builds,
    load_id bigint not null references raw.loads,
    primary key (build_id, load_id)
);
create index build_loads_by_load on ops.build_loads (load_id);

-- One row per verdict of a gate.
create table ops.gate_verdicts (
    verdict_id bigint generated always as identity primary key,
    gate text not null check (gate in ('raw', 'features', 'scores')),
    subject text not null,                -- raw: load ids "1-7"; features: the as_of; scores: the score set
    verdict text not null check (verdict in ('pass', 'warn', 'stop')),
    rows_checked bigint not null,
    rows_found bigint,                    -- what the checked rows were drawn from; null = all were checked
    expected integer not null,
    evaluated integer not null,
    failures jsonb not null,
    load_ids bigint[],                    -- raw: the loads that this verdict is about
    checked_at timestamptz not null default clock_timestamp()
);
create index gate_verdicts_by_subject on ops.gate_verdicts (gate, subject, verdict_id);

-- ml: models and scores ---------------------------------------------------------------------

create table ml.models (
    model_id text primary key,
    name text not null check (name in ('purchase', 'churn')),
    trained_at timestamptz not null,
    as_of timestamptz not null,           -- nothing later than this was used
    sha256 text not null,                 -- of artefact
    params jsonb not null,
    metrics jsonb not null,
    features jsonb not null,              -- names, in the order of the model's columns
    state text not null check (state in ('challenger', 'champion', 'retired')),
    artefact bytea not null,              -- XGBoost's own format (UBJSON)
    calibration jsonb not null,
    promoted_at timestamptz,
    report text                           -- the audit report, self-contained HTML
);
create unique index one_champion_per_name on ml.models (name) where state = 'champion';

-- One row per set: all champions' scores of one as_of. Readable once completed_at is set.
create table ml.score_sets (
    score_set bigint generated always as identity primary key,
    as_of timestamptz not null,
    model_ids text[] not null,
    started_at timestamptz not null default clock_timestamp(),
    completed_at timestamptz,
    records bigint
);

create table ml.scores (
    score_set bigint not null references ml.score_sets on delete cascade,
    model_id text not null references ml.models,
    customer_id text not null,
    as_of timestamptz not null,
    probability double precision not null,
    percentile double precision not null, -- 0 to 100, within the model and set
    margin double precision not null,     -- log-odds before calibration = base_value + sum(shap_values)
    base_value double precision not null,
    shap_values double precision[] not null, -- in the order of ml.models.features
    reasons jsonb not null,
    features_sha256 text not null,
    scored_at timestamptz not null,
    expires_at timestamptz not null,
    feature_values double precision[] not null default '{}', -- in the order of ml.models.features
    primary key (score_set, model_id, customer_id)
);
create index scores_by_customer on ml.scores (customer_id);

-- serving: publications ---------------------------------------------------------------------

create table serving.publications (
    version bigint generated always as identity primary key,
    score_set bigint not null references ml.score_sets,
    records bigint,
    scored_customers bigint,              -- in the score set when the records were counted, profilable or not
    checksum text,
    published_at timestamptz,
    state text not null check (state in ('building', 'live', 'previous', 'expired', 'abandoned')),
    epoch bigint not null,
    expires_at timestamptz,
    started_at timestamptz not null default clock_timestamp()
);
create sequence serving.epochs;

-- privacy -----------------------------------------------------------------------------------

-- One row per decision about profiling, as events stated it.
create view privacy.consents as
select message_id, customer_ref, anonymous_id, user_id, allows_profiling, occurred_at as decided_at, load_id
from raw.events
where allows_profiling is not null;

create table privacy.erasures (
    erasure_id bigint generated always as identity primary key,
    ref_sha256 text not null unique,      -- of the customer_ref; the id itself is gone
    erased_at timestamptz not null default clock_timestamp(),
    rows_erased jsonb not null,
    redis_erased_at timestamptz           -- null: Redis may still hold a record; erase again
);

create table privacy.audit_log (
    entry_id bigint generated always as identity primary key,
    at timestamptz not null,
    actor text not null,
    act text not null,
    subject text not null,
    detail jsonb not null,
    previous_sha256 text not null,
    sha256 text not null unique
);

-- The chain's length and last link, so that cutting off its end shows.
create table privacy.audit_head (
    is_only boolean primary key default true check (is_only),
    entries bigint not null,
    sha256 text not null
);
