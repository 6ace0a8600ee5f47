{{ config(materialized='standing_view') }}

-- One row per rule, UTC day and kind of event: how many events of robots were left out.
with events as (

    select * from {{ ref('int_bot_events') }}

),

bot_events_daily as (

    select
        events.bot_rule,
        (events.occurred_at at time zone 'UTC')::date as occurred_on,
        events.event_name,
        count(*)::integer as event_count
    from events
    group by events.bot_rule, (events.occurred_at at time zone 'UTC')::date, events.event_name

)

select * from bot_events_daily
