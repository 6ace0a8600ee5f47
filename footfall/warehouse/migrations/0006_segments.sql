-- Segments: the versions of their rules, what was told of them, and clusters.

-- One row per rule and version. A version's definition never changes.
create table ops.segment_rules (
    name text not null,
    version integer not null,
    sha256 text not null,                 -- of the definition, as canonical JSON
    definition jsonb not null,
    owner text not null,
    description text not null,
    registered_at timestamptz not null default clock_timestamp(),
    is_in_file boolean not null,          -- the file says so now; at most one version of a name
    is_active boolean not null,           -- counts as the segment; at most one version of a name
    evaluated_by bigint references ops.builds, -- the build that first evaluated it for everybody; null = the next one
    primary key (name, version),
    unique (name, sha256)
);
create unique index one_active_version on ops.segment_rules (name) where is_active;
create unique index one_version_in_file on ops.segment_rules (name) where is_in_file;

-- One row per customer and segment that Kafka was told of, or is being told of, as entered and not left.
create table ops.segment_feed (
    customer_id text not null,
    kind text not null,
    segment text not null,
    rule_version integer not null,
    at timestamptz not null,              -- since when, as it was told
    primary key (customer_id, kind, segment)
);

-- One row per message that Kafka has not acknowledged yet, in the order of sending.
create table ops.segment_outbox (
    number bigint generated always as identity primary key,
    type text not null check (type in ('entered', 'left')),
    customer_id text not null,
    kind text not null,
    segment text not null,
    rule_version integer not null,
    at timestamptz not null,
    build_id bigint not null
);

-- One row per run of clustering.
create table ml.cluster_sets (
    cluster_set bigint generated always as identity primary key,
    method text not null check (method in ('kmeans', 'dbscan')),
    as_of timestamptz not null,           -- nothing later was used
    params jsonb not null,                -- seed and all that was chosen or found
    clusters jsonb not null,              -- of each cluster: size and centre
    sha256 text not null,                 -- of who is in which cluster
    records bigint not null,
    created_at timestamptz not null
);

-- One row per set and customer. segment is the method and the cluster's number, by mean monetary value.
create table ml.customer_clusters (
    cluster_set bigint not null references ml.cluster_sets on delete cascade,
    customer_id text not null,
    segment text not null,
    primary key (cluster_set, customer_id)
);
create index customer_clusters_by_customer on ml.customer_clusters (customer_id);
