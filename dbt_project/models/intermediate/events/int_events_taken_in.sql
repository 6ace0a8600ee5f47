{{ config(
    pre_hook="{{ forget_everything() }}",
    post_hook="analyze {{ this }}",
    unlogged=true,
) }}

-- One row per event that this build takes in, in columns: each is read from its JSON once. Empty between builds.
with events as (

    select * from {{ ref('stg_shop__events') }} as events
    {% if is_incremental() %}
    where {{ in_increment('events') }}
    {% endif %}

),

taken_in as (

    select
        events.message_id,
        events.event_name,
        events.ref,
        events.anonymous_id,
        events.user_id,
        events.previous_id,
        events.shop_session_id,
        events.occurred_at,
        events.allows_profiling,
        events.order_id,
        events.currency,
        events.coupon,
        events.revenue,
        events.total,
        events.discount,
        case when events.event_name in {{ order_events() }} then events.products end as products,
        case when events.event_name = 'identify' then events.traits end as traits,
        events.product_id,
        events.category,
        events.product_value,
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

)

select * from taken_in
