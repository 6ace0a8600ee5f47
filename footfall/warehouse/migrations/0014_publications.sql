-- Publications say what they contain and why they are live or were refused; what a version holds is known
-- record by record, so that the next publication can be compared with it, written as a delta, and verified.

alter table serving.publications drop constraint publications_state_check;
alter table serving.publications add constraint publications_state_check
check (state in ('building', 'live', 'previous', 'expired', 'abandoned', 'refused'));
alter table serving.publications add column full_score_set bigint; -- that it was published with; score_set: its last delta's
alter table serving.publications add column contents jsonb;        -- footfall.publish.bounds.Contents; null: older than that
alter table serving.publications add column comparison jsonb;      -- with the version that was live; null: nothing was
alter table serving.publications add column reason text;           -- why it is full, or was refused

-- One row per customer of a publication that is live or can be again: what Redis holds of them. Null content and
-- sha1: a delta of theirs was under way, either may be there. Rows of versions that are over are deleted.
create table serving.published_records (
    version bigint not null,
    customer_id text collate "C" not null,
    content bigint,                       -- hash of what the record says, without its instants
    sha1 bytea,                           -- of the record, as Redis works it out
    segment text,
    expires_at timestamptz not null,
    primary key (version, customer_id)
);
create index published_records_by_customer on serving.published_records (customer_id);

-- One row per delta: the records of a live version that were replaced or removed, in one step.
create table serving.deltas (
    epoch bigint primary key,
    version bigint not null,
    score_set bigint not null references ml.score_sets,
    state text not null check (state in ('building', 'applied', 'abandoned', 'refused')),
    written bigint,
    removed bigint,
    records bigint,                       -- of the version, with the delta
    checksum text,                        -- of what was written
    contents jsonb,                       -- of the version, with the delta
    comparison jsonb,
    reason text,
    started_at timestamptz not null default clock_timestamp(),
    applied_at timestamptz
);
