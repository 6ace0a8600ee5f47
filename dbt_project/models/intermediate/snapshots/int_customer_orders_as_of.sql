{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer with an order before it: what the orders come to, refunds known then
-- taken off.
with identities as (

    {{ identities_in_scope() }}

),

-- reckoned once per snapshot and ref, not once per order of it
windows as (

    select
        identities.as_of,
        identities.ref,
        identities.customer_id,
        {{ days_before('identities.as_of', 1) }} as since_1d,
        {{ days_before('identities.as_of', 7) }} as since_7d,
        {{ days_before('identities.as_of', 30) }} as since_30d,
        {{ days_before('identities.as_of', 90) }} as since_90d
    from identities

),

entries as not materialized (

    select * from {{ ref('int_order_entries') }}

),

placed as not materialized (

    select * from {{ ref('int_orders_placed') }}

),

known as (

    select
        windows.as_of,
        windows.customer_id,
        entries.ordered_at,
        entries.is_order,
        entries.is_on_weekend,
        entries.amount,
        entries.gross_revenue,
        entries.discount,
        entries.product_count,
        entries.category_count,
        entries.ordered_at >= windows.since_90d as is_in_90d,
        entries.ordered_at >= windows.since_30d as is_in_30d,
        entries.ordered_at >= windows.since_7d as is_in_7d,
        entries.ordered_at >= windows.since_1d as is_in_1d,
        case
            when entries.is_order and entries.ordered_at >= windows.since_90d
                then extract(hour from entries.ordered_at at time zone 'UTC')
        end as hour_of_day,
        case
            when entries.ordered_at >= windows.since_90d
                then ceil({{ days_between('entries.ordered_at', 'windows.as_of') }} / 7)::integer
        end as weeks_back
    from windows
    inner join entries on windows.ref = entries.ref and windows.as_of > entries.known_at

),

totals as (

    select
        known.as_of,
        known.customer_id,
        min(known.ordered_at) as first_ordered_at,
        max(known.ordered_at) as last_ordered_at,
        count(*) filter (where known.is_order) as order_count,
        sum(known.amount) as net_revenue,
        count(*) filter (where known.is_order and known.is_in_1d) as order_count_1d,
        count(*) filter (where known.is_order and known.is_in_7d) as order_count_7d,
        count(*) filter (where known.is_order and known.is_in_30d) as order_count_30d,
        count(*) filter (where known.is_order and known.is_in_90d) as order_count_90d,
        coalesce(sum(known.amount) filter (where known.is_in_1d), 0) as net_revenue_1d,
        coalesce(sum(known.amount) filter (where known.is_in_7d), 0) as net_revenue_7d,
        coalesce(sum(known.amount) filter (where known.is_in_30d), 0) as net_revenue_30d,
        coalesce(sum(known.amount) filter (where known.is_in_90d), 0) as net_revenue_90d,
        sum(known.amount) filter (where known.is_order and known.is_in_90d) as paid_90d,
        coalesce(-sum(known.amount) filter (where not known.is_order and known.is_in_90d), 0)
            as refunded_90d,
        sum(known.gross_revenue) filter (where known.is_in_30d) as gross_revenue_30d,
        sum(known.discount) filter (where known.is_in_30d) as discount_30d,
        sum(known.gross_revenue) filter (where known.is_in_90d) as gross_revenue_90d,
        sum(known.discount) filter (where known.is_in_90d) as discount_90d,
        sum(known.product_count) filter (where known.is_in_90d) as product_count_90d,
        sum(known.category_count) filter (where known.is_in_90d) as category_count_90d,
        count(*) filter (where known.is_order and known.is_in_90d and known.is_on_weekend)
            as weekend_order_count_90d,
        count(*) filter (where known.hour_of_day between 6 and 11) as morning_order_count_90d,
        count(*) filter (where known.hour_of_day between 12 and 17) as afternoon_order_count_90d,
        count(*) filter (where known.hour_of_day >= 18) as evening_order_count_90d,
        count(*) filter (where known.is_order and known.is_in_90d and known.discount > 0)
            as discounted_order_count_90d,
        -- one bit per week
        bit_or(1 << known.weeks_back) as weeks_90d
    from known
    group by known.as_of, known.customer_id

),

coupon_orders as (

    select
        windows.as_of,
        windows.customer_id,
        count(*) as coupon_order_count_90d
    from windows
    inner join placed
        on
            windows.ref = placed.ref
            and windows.as_of > placed.ordered_at
            and windows.since_90d <= placed.ordered_at
    where placed.coupon <> ''
    group by windows.as_of, windows.customer_id

),

newest_orders as (

    select distinct on (identities.as_of, identities.customer_id)
        identities.as_of,
        identities.customer_id,
        newest.order_id
    from identities
    cross join
        lateral (
            select
                placed.order_id,
                placed.ordered_at
            from placed
            where placed.ref = identities.ref and placed.ordered_at < identities.as_of
            order by placed.ordered_at desc, placed.order_id collate "C" desc
            limit 1
        ) as newest
    order by
        identities.as_of asc,
        identities.customer_id asc,
        newest.ordered_at desc,
        newest.order_id collate "C" desc

),

newest_order_values as (

    select
        newest_orders.as_of,
        newest_orders.customer_id,
        sum(entries.amount) as order_value
    from newest_orders
    inner join entries
        on newest_orders.order_id = entries.order_id and newest_orders.as_of > entries.known_at
    group by newest_orders.as_of, newest_orders.customer_id

),

orders as (

    select
        totals.*,
        bit_count(totals.weeks_90d::bit(32)) as order_week_count_90d,
        coalesce(coupon_orders.coupon_order_count_90d, 0) as coupon_order_count_90d,
        newest_order_values.order_value as last_order_value
    from totals
    inner join newest_order_values
        on
            totals.as_of = newest_order_values.as_of
            and totals.customer_id = newest_order_values.customer_id
    left join coupon_orders
        on
            totals.as_of = coupon_orders.as_of
            and totals.customer_id = coupon_orders.customer_id

)

select * from orders
