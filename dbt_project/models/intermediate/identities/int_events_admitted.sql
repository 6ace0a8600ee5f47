{{ config(
    pre_hook=["{{ move_to_owners() }}", "{{ read_by_all_cores() }}"],
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'occurred_at']},
        {'columns': ['build_id']},
        {'columns': ['order_id']},
        {'columns': ['anonymous_id', 'occurred_at']},
    ],
) }}

-- One row per event of a person, with its owner and the build that took it in or moved it to
-- another owner: what is new since the last finished build is this build's increment. On a device without
-- a user's id an event is the user's who last signed in there.
with events as (

    select * from {{ ref('int_events_of_people') }}

),

admitted as (

    select
        events.message_id,
        {{ var('build_id') }}::bigint as build_id,
        events.event_name,
        {{ owner('events', 'sign_ins') }} as ref,
        '[]'::jsonb as displaced_refs,
        events.anonymous_id,
        events.user_id,
        events.previous_id,
        events.shop_session_id,
        case
            when events.event_name in {{ order_events() }} then events.order_id
        end as order_id,
        events.occurred_at,
        events.allows_profiling,
        events.product_id,
        events.category,
        events.product_value,
        events.traits,
        events.page_url,
        events.referrer,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.user_agent,
        events.device_type,
        events.query,
        events.promotion_id
    from events
    {{ last_sign_in('events', ref('int_device_users')) }}
    {% if is_incremental() %}
    where {{ is_unknown('events') }}
    {% endif %}

)

select * from admitted
