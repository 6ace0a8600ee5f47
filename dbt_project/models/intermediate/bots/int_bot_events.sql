{{ config(
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref']},
        {'columns': ['build_id']},
    ],
) }}

-- One row per event of a robot that the warehouse leaves out, and why.
with events as (

    select * from {{ ref('int_events_taken_in') }} as events
    where
        events.event_name not in {{ events_kept_of_bots() }}
        {% if is_incremental() %}
        and {{ is_unknown('events') }}
        {% endif %}

),

user_agents as (

    select * from {{ ref('int_user_agents') }}

),

bot_events as (

    select
        events.message_id,
        {{ var('build_id') }}::bigint as build_id,
        user_agents.bot_rule,
        events.event_name,
        coalesce('u:' || events.user_id, 'a:' || events.anonymous_id) as ref,
        events.anonymous_id,
        events.user_id,
        events.occurred_at,
        events.allows_profiling
    from events
    inner join user_agents on events.user_agent = user_agents.user_agent
    where user_agents.bot_rule is not null

)

select * from bot_events
