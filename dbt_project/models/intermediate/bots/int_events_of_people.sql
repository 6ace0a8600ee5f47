{{ config(materialized='standing_view') }}

-- One row per event of this build that counts. What a robot looked at does not; orders, sign-ins and consent do, whatever the
-- agent calls itself.
with events as (

    select * from {{ ref('int_events_taken_in') }}

),

user_agents as (

    select * from {{ ref('int_user_agents') }}

),

events_of_people as (

    select
        events.message_id,
        events.event_name,
        events.anonymous_id,
        events.user_id,
        events.previous_id,
        events.shop_session_id,
        events.occurred_at,
        events.allows_profiling,
        events.order_id,
        events.traits,
        events.product_id,
        events.category,
        events.product_value,
        events.page_url,
        events.referrer,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.user_agent,
        coalesce({{ device_named('events.device_type') }}, user_agents.device_type) as device_type,
        events.query,
        events.promotion_id
    from events
    left join user_agents on events.user_agent = user_agents.user_agent
    where
        user_agents.bot_rule is null
        or events.event_name in {{ events_kept_of_bots() }}

)

select * from events_of_people
