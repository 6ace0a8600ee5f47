{{ config(indexes=[{'columns': ['user_agent'], 'unique': true}]) }}

-- One row per user agent that an event carried: the rule of bot_rules that it answers to, and the kind of device
-- it speaks of. So that expressions are matched once per agent, and not once per event.
with events as (

    select * from {{ ref('int_events_taken_in') }} as events
    where
        events.user_agent is not null
        {% if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as known
            where known.user_agent = events.user_agent
        )
        {% endif %}

),

bot_rules as (

    select * from {{ ref('bot_rules') }}

),

agents as (

    select distinct events.user_agent
    from events

),

user_agents as (

    select
        agents.user_agent,
        (
            select bot_rules.bot_rule
            from bot_rules
            where agents.user_agent ~* bot_rules.pattern
            order by bot_rules.rank, bot_rules.bot_rule collate "C"
            limit 1
        ) as bot_rule,
        {{ device_of_agent('agents.user_agent') }} as device_type
    from agents

)

select * from user_agents
