-- Old events can be dropped by the month, and stay known: raw.events is partitioned, and what makes an
-- event unique lies beside it.

drop view privacy.consents;
drop view if exists intermediate.stg_shop__events cascade; -- dbt makes it anew
alter table raw.events rename to events_before;

-- One row per stored event, in a partition per UTC month. message_id is unique over all partitions and
-- time by raw.message_keys; the primary key lies in the order of time, which costs little to keep.
create table raw.events (
    like raw.events_before including defaults,
    primary key (occurred_at, message_id)
) partition by range (occurred_at);
create index events_by_loads on raw.events using brin (load_id) with (pages_per_range = 32);

-- One row per event that was ever stored, also where its month was dropped since: no replay can bring
-- an old event in twice. The key is a digest of the message id.
create table raw.message_keys (key uuid not null);

create function raw.message_key(message_id text) returns uuid language sql stable strict as $$
select encode(substr(sha256(convert_to(message_id, 'UTF8')), 1, 16), 'hex')::uuid
$$;

create function raw.partition_of(month date) returns text language sql immutable strict as $$
select format('events_%s_%s', extract(year from month), lpad(extract(month from month)::text, 2, '0'))
$$;

-- Make sure that the months (their first days) have partitions, until the transaction ends. Readers and
-- other loaders go on meanwhile: a new partition is attached.
create function raw.hold_partitions(months date[]) returns void language plpgsql strict as $$
declare
    month date;
begin
    lock table raw.events in row exclusive mode;
    foreach month in array months loop
        continue when to_regclass('raw.' || raw.partition_of(month)) is not null;
        lock table raw.events in share update exclusive mode; -- one maker at a time
        continue when to_regclass('raw.' || raw.partition_of(month)) is not null;
        execute format('create table raw.%I (like raw.events including defaults)', raw.partition_of(month));
        -- loads are many, whatever a sample of a small month says: never all of a month for one of them
        execute format(
            'alter table raw.%I alter load_id set (n_distinct = -0.01)', raw.partition_of(month)
        );
        execute format(
            'alter table raw.events attach partition raw.%I for values from (%L) to (%L)',
            raw.partition_of(month),
            month::timestamp at time zone 'UTC',
            (month + interval '1 month') at time zone 'UTC'
        );
    end loop;
end
$$;

select raw.hold_partitions(array(
    select distinct date_trunc('month', occurred_at at time zone 'UTC')::date from raw.events_before
));
insert into raw.events select * from raw.events_before;
insert into raw.message_keys select raw.message_key(message_id) from raw.events_before;
alter table raw.message_keys add primary key (key);
drop table raw.events_before;

-- Rows that are deleted one by one (an erasure, or by hand) may come again; the rows of a partition that
-- is dropped may not, and no trigger sees them.
create function raw.forget_keys() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' then
        truncate raw.message_keys;
    else
        delete from raw.message_keys using gone where key = raw.message_key(gone.message_id);
    end if;
    return null;
end
$$;
create trigger forget_deleted after delete on raw.events referencing old table as gone
for each statement execute function raw.forget_keys();
create trigger forget_truncated after truncate on raw.events
for each statement execute function raw.forget_keys();

-- One row per decision about profiling, as events stated it.
create view privacy.consents as
select message_id, customer_ref, anonymous_id, user_id, allows_profiling, occurred_at as decided_at, load_id
from raw.events
where allows_profiling is not null;

-- One row per act of retention: the partitions of raw.events that were dropped, all of whose events are
-- earlier than dropped_before.
create table ops.retentions (
    retention_id bigint generated always as identity primary key,
    dropped_before timestamptz not null,
    partitions text[] not null,
    rows bigint not null,                 -- the events in them
    rejects_blanked bigint not null,      -- records set aside that lost their bytes
    at timestamptz not null default clock_timestamp()
);
