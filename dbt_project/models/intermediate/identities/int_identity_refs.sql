{{ config(
    pre_hook="{{ forget_reopened_refs() }}",
    incremental_strategy='delete+insert',
    unique_key='ref',
    indexes=[{'columns': ['ref'], 'unique': true}],
) }}

-- One row per user id or anonymous id that an event carried.
{% set admitted = ref('int_events_admitted') %}
{% set reopened = source('ops', 'reopened_refs') %}
with events as (

    select
        events.ref,
        events.anonymous_id,
        events.occurred_at
    from {{ admitted }} as events
    {% if is_incremental() %}
    where {{ is_new('events') }}
    -- who lost events to an erasure was perhaps first seen later, or never
    union all
    select
        events.ref,
        events.anonymous_id,
        events.occurred_at
    from {{ reopened }} as reopened
    inner join {{ admitted }} as events on reopened.ref = events.ref
    union all
    select
        events.ref,
        events.anonymous_id,
        events.occurred_at
    from {{ reopened }} as reopened
    inner join {{ admitted }} as events on substr(reopened.ref, 3) = events.anonymous_id
    where reopened.ref like 'a:%'
    {% endif %}

),

seen as (

    select
        events.ref,
        min(events.occurred_at) as first_seen_at
    from events
    group by events.ref
    union all
    select
        'a:' || events.anonymous_id as ref,
        min(events.occurred_at) as first_seen_at
    from events
    where events.anonymous_id is not null
    group by events.anonymous_id

),

{% if is_incremental() %}
known as (

    select
        known.ref,
        known.first_seen_at
    from {{ this }} as known
    where known.ref in (select seen.ref from seen)

),
{% endif %}

refs as (

    select
        mentions.ref,
        min(mentions.first_seen_at) as first_seen_at
    from (
        select * from seen
        {% if is_incremental() %}
        union all
        select * from known
        {% endif %}
    ) as mentions
    group by mentions.ref

)

select * from refs
