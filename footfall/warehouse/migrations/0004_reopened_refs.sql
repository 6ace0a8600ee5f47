-- Refs whose customers the next build makes anew though no new event mentions them: an erasure took events
-- of a shared device from them. The build that finishes empties it.
create table ops.reopened_refs (
    ref text primary key,
    reopened_at timestamptz not null default clock_timestamp()
);
