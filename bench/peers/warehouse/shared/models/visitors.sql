-- One row per device: the first user seen on it. A whole table each time, as stitching packages do.
{{ config(materialized='table') }}

select distinct on (events.anonymous_id)
    events.anonymous_id,
    events.user_id
from raw.events as events
where events.anonymous_id is not null and events.user_id is not null
order by events.anonymous_id, events.occurred_at, events.user_id
