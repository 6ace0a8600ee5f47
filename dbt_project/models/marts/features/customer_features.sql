{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per snapshot and customer seen before it who could be profiled then: the contract with ml/.
{% set order_90d = 'nullif(orders.order_count_90d, 0)' %}
{% set browse_90d = 'nullif(activity.browse_count_90d, 0)' %}
{% set session_90d = 'visits.session_count_90d' %}
{% set cart_session_90d = 'nullif(visits.cart_session_count_90d, 0)' %}
{% set promo_view_90d = 'nullif(activity.promo_view_count_90d, 0)' %}
{% set device_event_90d = 'nullif(activity.device_event_count_90d, 0)' %}
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

visits as (

    select * from {{ ref('int_customer_sessions_as_of') }}

),

interests as (

    select * from {{ ref('int_customer_interests_as_of') }}

),

features as (

    select
        customers.customer_id,
        customers.as_of,
        -- recency
        orders.recency_days::double precision as days_since_last_order,
        (orders.recency_days / rhythm.mean_gap_days)::double precision as recency_to_mean_gap,
        (orders.recency_days / rhythm.max_gap_days)::double precision as recency_to_max_gap,
        ((orders.recency_days - rhythm.mean_gap_days) / (rhythm.std_gap_days + 1))::double precision
            as recency_gap_score,
        (
            select avg((gaps.days >= orders.recency_days)::integer)
            from unnest(rhythm.gaps_days) as gaps (days)
        )::double precision as longer_gap_share,
        -- tenure
        {{ days_between('customers.first_seen_at', 'customers.as_of') }}::double precision
            as days_since_first_seen,
        {{ days_between('orders.first_ordered_at', 'customers.as_of') }}::double precision
            as days_since_first_order,
        coalesce(orders.order_count, 0)::double precision as lifetime_order_count,
        coalesce(orders.net_revenue, 0)::double precision as lifetime_net_revenue,
        -- frequency
        {{ counted('orders', 'order_count', window_days()) }}
        {{ counted('rhythm', 'order_day_count', [30, 90]) }}
        coalesce(orders.order_week_count_90d, 0)::double precision as order_week_count_90d,
        -- spend
        {{ counted('orders', 'net_revenue', window_days()) }}
        {{ ratio('orders.net_revenue_90d', order_90d) }} as mean_order_value_90d,
        orders.last_order_value::double precision as last_order_value,
        -- refunds in pieces may come to more than was paid
        case
            when orders.paid_90d > 0
                then least({{ ratio('orders.refunded_90d', 'orders.paid_90d') }}, 1)
        end as refund_share_90d,
        -- discount
        {{ ratio('orders.discount_30d', 'nullif(orders.gross_revenue_30d, 0)') }}
            as discount_share_30d,
        {{ ratio('orders.discount_90d', 'nullif(orders.gross_revenue_90d, 0)') }}
            as discount_share_90d,
        {{ ratio('1.0 * orders.discounted_order_count_90d', order_90d) }}
            as discounted_order_share_90d,
        {{ ratio('1.0 * orders.coupon_order_count_90d', order_90d) }} as coupon_order_share_90d,
        {{ counted('activity', 'coupon_count', window_days()) }}
        {{ days_since('activity.last_coupon_at') }} as days_since_last_coupon,
        -- basket
        {{ ratio('orders.product_count_90d', order_90d) }} as mean_products_per_order_90d,
        {{ ratio('orders.category_count_90d', order_90d) }} as mean_categories_per_order_90d,
        -- trend
        {{ ratio('3.0 * orders.order_count_30d', order_90d) }} as order_count_trend,
        case
            when orders.net_revenue_90d > 0
                then {{ ratio('3.0 * orders.net_revenue_30d', 'orders.net_revenue_90d') }}
        end as net_revenue_trend,
        -- timing
        {% for part in ['weekend', 'morning', 'afternoon', 'evening'] -%}
        {{ ratio('1.0 * orders.' ~ part ~ '_order_count_90d', order_90d) }}
            as {{ part }}_order_share_90d,
        {% endfor -%}
        {% for part in ['weekend', 'morning', 'afternoon', 'evening'] -%}
        {{ ratio('1.0 * activity.' ~ part ~ '_browse_count_90d', browse_90d) }}
            as {{ part }}_browse_share_90d,
        {% endfor -%}
        -- rhythm
        rhythm.mean_gap_days::double precision as mean_gap_days,
        rhythm.std_gap_days::double precision as std_gap_days,
        rhythm.max_gap_days::double precision as max_gap_days,
        rhythm.gaps_days[cardinality(rhythm.gaps_days)]::double precision as last_gap_days,
        (
            select avg(gaps.days)
            from
                unnest(rhythm.gaps_days[cardinality(rhythm.gaps_days) - 2:]) as gaps (days)
        )::double precision as mean_last_3_gaps_days,
        -- browsing
        {{ counted('activity', 'browse_day_count', [7, 30, 90]) }}
        {% for kind in ['page_view', 'product_view', 'search', 'wishlist_add'] -%}
        {{ counted('activity', kind ~ '_count', window_days()) }}
        {% endfor -%}
        {{ days_since('activity.last_browse_at') }} as days_since_last_browse,
        {{ days_since('activity.last_product_view_at') }} as days_since_last_product_view,
        {{ days_since('activity.last_search_at') }} as days_since_last_search,
        -- cart
        {{ counted('activity', 'cart_add_count', window_days()) }}
        coalesce(activity.cart_adds_since_last_order, 0)::double precision
            as cart_adds_since_last_order,
        coalesce(activity.open_cart_value, 0)::double precision as open_cart_value,
        {{ days_since('activity.last_cart_add_at') }} as days_since_last_cart_add,
        {{ counted('activity', 'checkout_count', window_days()) }}
        {{ days_since('activity.last_checkout_at') }} as days_since_last_checkout,
        {{ counted('visits', 'abandoned_cart_count', [30, 90]) }}
        {{ ratio('1.0 * visits.abandoned_cart_count_90d', cart_session_90d) }}
            as abandoned_cart_share_90d,
        -- session
        {{ counted('visits', 'session_count', window_days()) }}
        {{ ratio('1.0 * visits.bounce_count_90d', session_90d) }} as bounce_share_90d,
        {{ ratio('1.0 * visits.order_session_count_90d', session_90d) }} as order_session_share_90d,
        {{ ratio('visits.session_seconds_90d / 60', session_90d) }} as mean_session_minutes_90d,
        {{ ratio('visits.product_view_count_90d', session_90d) }} as mean_views_per_session_90d,
        coalesce(activity.funnel_depth_30d, 0)::double precision as funnel_depth_30d,
        visits.last_session_depth::double precision as last_session_depth,
        -- device
        customers.device_count::double precision as device_count,
        {{ ratio('1.0 * activity.mobile_event_count_90d', device_event_90d) }} as mobile_share_90d,
        -- interest
        {% for verb in ['viewed', 'ordered'] -%}
        {% set weight = 'interests.' ~ verb ~ '_weight' -%}
        coalesce(interests.{{ verb }}_category_count_90d, 0)::double precision
            as {{ verb }}_category_count_90d,
        {{ ratio('interests.top_' ~ verb ~ '_weight', weight) }}
            as top_{{ verb }}_category_share_90d,
        case
            when {{ weight }} > 0
                then greatest(
                    ln({{ weight }}::double precision)
                    - (interests.{{ verb }}_weighted_log / {{ weight }})::double precision,
                    0
                )
        end as {{ verb }}_category_entropy_90d,
        {% endfor -%}
        -- promotion
        {% for kind in ['promo_view', 'promo_click'] -%}
        {{ counted('activity', kind ~ '_count', window_days()) }}
        {% endfor -%}
        {{ ratio('1.0 * activity.promo_click_count_90d', promo_view_90d) }}
            as promo_clicks_per_view_90d,
        {% for kind in ['email_open', 'email_click'] -%}
        {{ counted('activity', kind ~ '_count', window_days()) }}
        {% endfor -%}
        {{ days_since('activity.last_email_open_at') }} as days_since_last_email_open
    from customers
    left join orders
        on customers.as_of = orders.as_of and customers.customer_id = orders.customer_id
    left join rhythm
        on customers.as_of = rhythm.as_of and customers.customer_id = rhythm.customer_id
    left join activity
        on customers.as_of = activity.as_of and customers.customer_id = activity.customer_id
    left join visits
        on customers.as_of = visits.as_of and customers.customer_id = visits.customer_id
    left join interests
        on customers.as_of = interests.as_of and customers.customer_id = interests.customer_id

)

select * from features
