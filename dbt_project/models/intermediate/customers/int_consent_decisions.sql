{{ config(
    incremental_strategy='delete+insert',
    unique_key=['ref', 'decided_at'],
    indexes=[{'columns': ['ref', 'decided_at'], 'unique': true}],
) }}

-- One row per ref and instant at which an event stated a decision about profiling. Of two at one
-- instant the refusal counts.
with events as (

    select * from {{ ref('int_events_admitted') }} as events
    where
        events.allows_profiling is not null
        {% if is_incremental() %}
        and {{ is_new('events') }}
        {% endif %}

),

stated as (

    select
        events.ref,
        events.occurred_at as decided_at,
        events.allows_profiling
    from events
    {% if is_incremental() %}
    union all
    select
        known.ref,
        known.decided_at,
        known.allows_profiling
    from {{ this }} as known
    inner join events on known.ref = events.ref and known.decided_at = events.occurred_at
    {% endif %}

),

decisions as (

    select
        stated.ref,
        stated.decided_at,
        bool_and(stated.allows_profiling) as allows_profiling
    from stated
    group by stated.ref, stated.decided_at

)

select * from decisions
