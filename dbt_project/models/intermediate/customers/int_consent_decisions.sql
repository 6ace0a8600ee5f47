{{ config(
    pre_hook="{{ follow_their_owners() }}",
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'decided_at']},
    ],
) }}

-- One row per event that stated a decision about profiling. Of two at one instant the refusal counts.
with events as (

    select * from {{ ref('int_events_admitted') }} as events
    where
        events.allows_profiling is not null
        {% if is_incremental() %}
        and {{ is_new('events') }}
        and {{ is_unknown('events') }}
        {% endif %}

),

-- what answers to a rule of bots may be a person all the same: a refusal counts
refusals as (

    select * from {{ ref('int_bot_events') }} as bot_events
    where
        not bot_events.allows_profiling
        {% if is_incremental() %}
        and {{ is_new('bot_events') }}
        and {{ is_unknown('bot_events') }}
        {% endif %}

),

decisions as (

    select
        events.message_id,
        events.ref,
        events.occurred_at as decided_at,
        events.allows_profiling
    from events
    union all
    select
        refusals.message_id,
        refusals.ref,
        refusals.occurred_at as decided_at,
        refusals.allows_profiling
    from refusals

)

select * from decisions
