-- Ingest at the speed of COPY: keys that cost little, gaps, topics that were made anew, the catalog.

-- A random key is the dear one to keep, so message_id is the only B-tree of raw.events, compared by bytes.
-- Events lie nearly in the order of load and time, for which BRIN is enough; no foreign key is checked row
-- by row, for events and their load come in one transaction.
alter table raw.events drop constraint events_load_id_fkey;
drop index raw.events_by_load;
drop index raw.events_by_customer_ref;
drop index raw.events_by_occurred_at;
alter table raw.events add column mapped jsonb; -- the event in the native dialect, where it was sent in another
do $$
begin
    if (select datcollate from pg_database where datname = current_database()) not in ('C', 'POSIX') then
        drop view privacy.consents;
        drop view if exists intermediate.stg_shop__events cascade; -- dbt makes it anew
        alter table raw.events alter column message_id type text collate "C";
        create view privacy.consents as
        select message_id, customer_ref, anonymous_id, user_id, allows_profiling, occurred_at as decided_at, load_id
        from raw.events
        where allows_profiling is not null;
    end if;
end
$$;
create index events_by_load on raw.events using brin (load_id) with (pages_per_range = 32);
create index events_by_occurred_at on raw.events
using brin (occurred_at timestamptz_minmax_multi_ops) with (pages_per_range = 32);

-- What a load read: the events of the gates and builds, or the facts of the catalog.
alter table raw.loads add column kind text not null default 'events' check (kind in ('events', 'catalog'));

-- A topic that was made anew under its name has another id ('' = the broker told none), and its offsets
-- begin again.
alter table raw.partition_offsets add column topic_id text not null default '';
alter table raw.rejected_events add column topic_id text not null default '';
alter table raw.rejected_events drop constraint rejected_events_pkey;
alter table raw.rejected_events
add primary key (cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset);

-- One row per gap: records that may be missing between from_offset, where loading wanted to go on, and
-- to_offset, where Kafka can go on. Loading goes on only once the gap is accepted.
create table raw.gaps (
    gap_id bigint generated always as identity primary key,
    cluster_id text not null,
    topic text not null,
    partition integer not null,
    kind text not null check (kind in ('retention', 'recreated', 'beyond_end', 'new_cluster')),
    from_offset bigint not null,
    to_offset bigint not null,
    detected_at timestamptz not null default clock_timestamp(),
    accepted_at timestamptz,
    load_id bigint references raw.loads,  -- the load that went on beyond the gap
    unique (cluster_id, topic, partition, kind, from_offset)
);
