{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer with a session in the 90 days before it that has a browsing event or
-- an order. Sessions as in fct_sessions, of the events that were known and the ids that were linked then;
-- one that spans as_of knows only its part before.
with identities as {% if is_incremental() %}materialized {% endif %}(

    {{ identities_in_scope() }}

),

visits as (

    select * from {{ ref('int_visits_in_scope') }}

),

-- visits of several ids that overlap are one session
reached as (

    select
        identities.as_of,
        identities.customer_id,
        visits.started_at,
        visits.ended_at,
        visits.browse_count,
        visits.product_view_count,
        visits.cart_add_count,
        visits.funnel_step,
        visits.order_count,
        max(visits.ended_at) over (
            partition by identities.as_of, identities.customer_id
            order by visits.started_at
            rows between unbounded preceding and 1 preceding
        ) as reached_at
    from identities
    inner join visits
        on
            identities.ref = visits.ref
            and identities.as_of > visits.stretch_from
            and {{ days_before('identities.as_of', 90) }} <= visits.stretch_from

),

numbered as (

    select
        reached.*,
        count(*) filter (
            where reached.reached_at is null
            or reached.started_at - reached.reached_at
            > interval '{{ var("session_gap_minutes") }} minutes'
        ) over (
            partition by reached.as_of, reached.customer_id order by reached.started_at
        ) as session_number
    from reached

),

all_sessions as (

    select
        numbered.as_of,
        numbered.customer_id,
        numbered.session_number,
        min(numbered.started_at) as started_at,
        max(numbered.ended_at) as ended_at,
        sum(numbered.browse_count) as browse_count,
        sum(numbered.product_view_count) as product_view_count,
        bool_or(numbered.cart_add_count > 0) as has_cart,
        bool_or(numbered.order_count > 0) as has_order,
        max(numbered.funnel_step) as funnel_depth
    from numbered
    group by numbered.as_of, numbered.customer_id, numbered.session_number

),

sessions as (

    select
        all_sessions.*,
        all_sessions.has_cart and not all_sessions.has_order as is_abandoned
    from all_sessions
    where all_sessions.browse_count > 0 or all_sessions.has_order

),

customer_sessions as (

    select
        sessions.as_of,
        sessions.customer_id,
        {% for days in [1, 7, 30] -%}
        count(*) filter (
            where sessions.started_at >= {{ days_before('sessions.as_of', days) }}
        ) as session_count_{{ days }}d,
        {% endfor -%}
        count(*) as session_count_90d,
        count(*) filter (where sessions.browse_count = 1 and not sessions.has_order)
            as bounce_count_90d,
        count(*) filter (where sessions.has_order) as order_session_count_90d,
        sum(extract(epoch from sessions.ended_at - sessions.started_at)) as session_seconds_90d,
        sum(sessions.product_view_count) as product_view_count_90d,
        count(*) filter (where sessions.has_cart) as cart_session_count_90d,
        count(*) filter (
            where
            sessions.is_abandoned
            and sessions.started_at >= {{ days_before('sessions.as_of', 30) }}
        ) as abandoned_cart_count_30d,
        count(*) filter (where sessions.is_abandoned) as abandoned_cart_count_90d,
        (array_agg(sessions.funnel_depth order by sessions.session_number desc))[1]
            as last_session_depth
    from sessions
    group by sessions.as_of, sessions.customer_id

)

select * from customer_sessions
