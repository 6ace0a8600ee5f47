{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer who looked at, or ordered, a product with a category in the 90 days
-- before it: how wide the interest is, what is older counting for less.
with scope as (

    select * from {{ ref('int_snapshot_scope') }}

),

edges as (

    {{ window_edges('scope') }}

),

ranges as (

    {{ ranges_of_refs('scope') }}

),

identities as (

    {{ identities_in_scope() }}

),

events as (

    select * from {{ ref('int_events_admitted') }} as events
    where
        events.category is not null
        and events.event_name in ('product_view', 'product_click', 'add_to_cart', 'wishlist_add')

),

orders as (

    select * from {{ ref('int_orders_placed') }}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }} as order_lines
    where order_lines.category is not null

),

interests as (

    select
        events.ref,
        'viewed' as verb,
        events.category,
        events.occurred_at
    from ranges
    inner join events
        on
            ranges.ref = events.ref
            and ranges.since <= events.occurred_at
            and ranges.until > events.occurred_at
    union all
    select
        orders.ref,
        'ordered' as verb,
        order_lines.category,
        orders.ordered_at as occurred_at
    from ranges
    inner join orders
        on
            ranges.ref = orders.ref
            and ranges.since <= orders.ordered_at
            and ranges.until > orders.ordered_at
    inner join order_lines on orders.order_id = order_lines.order_id

),

-- counted once, however many snapshots read it
daily as (

    select
        interests.ref,
        interests.verb,
        interests.category,
        {{ edge_before('interests.occurred_at') }} as stretch_from,
        (interests.occurred_at at time zone 'UTC')::date as interested_on,
        count(*) as interest_count
    from interests
    cross join edges
    group by
        interests.ref,
        interests.verb,
        interests.category,
        {{ edge_before('interests.occurred_at') }},
        (interests.occurred_at at time zone 'UTC')::date

),

weighted as (

    select
        identities.as_of,
        identities.customer_id,
        daily.verb,
        daily.category,
        sum(
            daily.interest_count
            * {{ decayed("(identities.as_of at time zone 'UTC')::date - daily.interested_on") }}
        ) as millionths
    from identities
    inner join daily
        on
            identities.ref = daily.ref
            and identities.as_of > daily.stretch_from
            and {{ days_before('identities.as_of', 90) }} <= daily.stretch_from
    group by identities.as_of, identities.customer_id, daily.verb, daily.category

),

scaled as (

    select
        weighted.*,
        round(weighted.millionths / 1000000000000, 12) as weight
    from weighted

),

-- rounded, so that the sum is the same in any order
shared as (

    select
        scaled.*,
        round(scaled.weight * ln(scaled.weight::double precision)::numeric, 12) as weighted_log
    from scaled

),

customer_interests as (

    select
        shared.as_of,
        shared.customer_id,
        {% for verb in ['viewed', 'ordered'] -%}
        count(*) filter (where shared.verb = '{{ verb }}') as {{ verb }}_category_count_90d,
        max(shared.weight) filter (where shared.verb = '{{ verb }}') as top_{{ verb }}_weight,
        sum(shared.weight) filter (where shared.verb = '{{ verb }}') as {{ verb }}_weight,
        sum(shared.weighted_log) filter (where shared.verb = '{{ verb }}')
            as {{ verb }}_weighted_log
        {%- if not loop.last %},
        {% endif %}
        {% endfor %}
    from shared
    group by shared.as_of, shared.customer_id

)

select * from customer_interests
