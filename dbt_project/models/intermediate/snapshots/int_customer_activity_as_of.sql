{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer who browsed before it or redeemed a coupon in the 90 days before it.
-- Events are counted, not sessions: a session that spans as_of would know what came after.
with identities as (

    {{ identities_in_scope() }}

),

events as (

    select * from {{ ref('int_events_admitted') }}

),

browsing_events as not materialized (

    select * from {{ ref('int_events_admitted') }} as events
    where events.event_name in {{ browsing_events() }}

),

customer_orders as (

    select * from {{ ref('int_customer_orders_as_of') }}

),

newest_browsing as (

    select
        identities.as_of,
        identities.customer_id,
        max(newest.occurred_at) as last_browsed_at
    from identities
    cross join
        lateral (
            select browsing_events.occurred_at
            from browsing_events
            where
                browsing_events.ref = identities.ref
                and browsing_events.occurred_at < identities.as_of
            order by browsing_events.occurred_at desc
            limit 1
        ) as newest
    group by identities.as_of, identities.customer_id

),

recent as (

    select
        identities.as_of,
        identities.customer_id,
        browsing_events.event_name,
        browsing_events.occurred_at,
        (browsing_events.occurred_at at time zone 'UTC')::date as browsed_on,
        browsing_events.occurred_at >= {{ days_before('identities.as_of', 7) }} as is_in_7d,
        coalesce(browsing_events.occurred_at > customer_orders.last_ordered_at, true)
            as is_since_last_order
    from identities
    inner join browsing_events
        on
            identities.ref = browsing_events.ref
            and identities.as_of > browsing_events.occurred_at
            and browsing_events.occurred_at >= {{ days_before('identities.as_of', 30) }}
    left join customer_orders
        on
            identities.as_of = customer_orders.as_of
            and identities.customer_id = customer_orders.customer_id

),

browsing as (

    select
        recent.as_of,
        recent.customer_id,
        count(distinct recent.browsed_on) as browse_day_count_30d,
        count(*) filter (where recent.event_name = 'product_view' and recent.is_in_7d)
            as product_view_count_7d,
        count(*) filter (where recent.event_name = 'product_view') as product_view_count_30d,
        count(*) filter (where recent.event_name = 'add_to_cart' and recent.is_in_7d)
            as cart_add_count_7d,
        count(*) filter (where recent.event_name = 'add_to_cart') as cart_add_count_30d,
        count(*) filter (where recent.event_name = 'add_to_cart' and recent.is_since_last_order)
            as cart_adds_since_last_order
    from recent
    group by recent.as_of, recent.customer_id

),

coupons as (

    select
        identities.as_of,
        identities.customer_id,
        count(*) as coupon_count_90d
    from identities
    inner join events
        on
            identities.ref = events.ref
            and identities.as_of > events.occurred_at
            and events.occurred_at >= {{ days_before('identities.as_of', 90) }}
    where events.event_name = 'coupon_applied'
    group by identities.as_of, identities.customer_id

),

active as (

    select
        newest_browsing.as_of,
        newest_browsing.customer_id
    from newest_browsing
    union
    select
        coupons.as_of,
        coupons.customer_id
    from coupons

),

activity as (

    select
        active.as_of,
        active.customer_id,
        newest_browsing.last_browsed_at,
        coalesce(browsing.browse_day_count_30d, 0) as browse_day_count_30d,
        coalesce(browsing.product_view_count_7d, 0) as product_view_count_7d,
        coalesce(browsing.product_view_count_30d, 0) as product_view_count_30d,
        coalesce(browsing.cart_add_count_7d, 0) as cart_add_count_7d,
        coalesce(browsing.cart_add_count_30d, 0) as cart_add_count_30d,
        coalesce(browsing.cart_adds_since_last_order, 0) as cart_adds_since_last_order,
        coalesce(coupons.coupon_count_90d, 0) as coupon_count_90d
    from active
    left join newest_browsing
        on
            active.as_of = newest_browsing.as_of
            and active.customer_id = newest_browsing.customer_id
    left join browsing
        on active.as_of = browsing.as_of and active.customer_id = browsing.customer_id
    left join coupons
        on active.as_of = coupons.as_of and active.customer_id = coupons.customer_id

)

select * from activity
