{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per snapshot and customer seen before it who could be profiled then: the contract with ml/.
with customers as (

    select customers.*
    from {{ ref('int_customers_as_of') }} as customers
    {% if is_incremental() %}
    inner join {{ ref('int_snapshot_scope') }} as scope
        on customers.as_of = scope.as_of and customers.customer_id = scope.customer_id
    {% endif %}
    where customers.is_profilable

),

orders as (

    select
        orders.*,
        {{ days_between('orders.last_ordered_at', 'orders.as_of') }} as recency_days
    from {{ ref('int_customer_orders_as_of') }} as orders

),

rhythm as (

    select * from {{ ref('int_customer_rhythm_as_of') }}

),

activity as (

    select * from {{ ref('int_customer_activity_as_of') }}

),

features as (

    select
        customers.customer_id,
        customers.as_of,
        orders.recency_days::double precision as days_since_last_order,
        coalesce(orders.order_count_7d, 0)::double precision as order_count_7d,
        coalesce(orders.order_count_30d, 0)::double precision as order_count_30d,
        coalesce(orders.order_count_90d, 0)::double precision as order_count_90d,
        coalesce(rhythm.order_day_count_30d, 0)::double precision as order_day_count_30d,
        coalesce(rhythm.order_day_count_90d, 0)::double precision as order_day_count_90d,
        coalesce(orders.order_week_count_90d, 0)::double precision as order_week_count_90d,
        coalesce(orders.net_revenue_7d, 0)::double precision as net_revenue_7d,
        coalesce(orders.net_revenue_30d, 0)::double precision as net_revenue_30d,
        coalesce(orders.net_revenue_90d, 0)::double precision as net_revenue_90d,
        (orders.net_revenue_90d / nullif(orders.order_count_90d, 0))::double precision
            as mean_order_value_90d,
        orders.last_order_value::double precision as last_order_value,
        (orders.discount_90d / nullif(orders.gross_revenue_90d, 0))::double precision
            as discount_share_90d,
        (orders.product_count_90d / nullif(orders.order_count_90d, 0))::double precision
            as mean_products_per_order_90d,
        (orders.category_count_90d / nullif(orders.order_count_90d, 0))::double precision
            as mean_categories_per_order_90d,
        (3.0 * orders.order_count_30d / nullif(orders.order_count_90d, 0))::double precision
            as order_count_trend,
        case
            when orders.net_revenue_90d > 0
                then (3.0 * orders.net_revenue_30d / orders.net_revenue_90d)::double precision
        end as net_revenue_trend,
        (1.0 * orders.weekend_order_count_90d / nullif(orders.order_count_90d, 0))::double precision
            as weekend_order_share_90d,
        rhythm.mean_gap_days::double precision as mean_gap_days,
        rhythm.std_gap_days::double precision as std_gap_days,
        rhythm.max_gap_days::double precision as max_gap_days,
        rhythm.gaps_days[cardinality(rhythm.gaps_days)]::double precision as last_gap_days,
        (
            select avg(gaps.days)
            from
                unnest(rhythm.gaps_days[cardinality(rhythm.gaps_days) - 2:]) as gaps (days)
        )::double precision as mean_last_3_gaps_days,
        (orders.recency_days / rhythm.mean_gap_days)::double precision as recency_to_mean_gap,
        (orders.recency_days / rhythm.max_gap_days)::double precision as recency_to_max_gap,
        ((orders.recency_days - rhythm.mean_gap_days) / (rhythm.std_gap_days + 1))::double precision
            as recency_gap_score,
        (
            select avg((gaps.days >= orders.recency_days)::integer)
            from unnest(rhythm.gaps_days) as gaps (days)
        )::double precision as longer_gap_share,
        coalesce(activity.coupon_count_90d, 0)::double precision as coupon_count_90d,
        coalesce(activity.browse_day_count_30d, 0)::double precision as browse_day_count_30d,
        coalesce(activity.product_view_count_7d, 0)::double precision as product_view_count_7d,
        coalesce(activity.product_view_count_30d, 0)::double precision as product_view_count_30d,
        coalesce(activity.cart_add_count_7d, 0)::double precision as cart_add_count_7d,
        coalesce(activity.cart_add_count_30d, 0)::double precision as cart_add_count_30d,
        coalesce(activity.cart_adds_since_last_order, 0)::double precision
            as cart_adds_since_last_order,
        {{ days_between('activity.last_browsed_at', 'customers.as_of') }}::double precision
            as days_since_last_browse
    from customers
    left join orders
        on customers.as_of = orders.as_of and customers.customer_id = orders.customer_id
    left join rhythm
        on customers.as_of = rhythm.as_of and customers.customer_id = rhythm.customer_id
    left join activity
        on customers.as_of = activity.as_of and customers.customer_id = activity.customer_id

)

select * from features
