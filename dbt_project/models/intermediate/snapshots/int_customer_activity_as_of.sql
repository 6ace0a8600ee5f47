{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer with an event in the 90 days before it: what the customer did.
{% set counts = [
    'page_view', 'product_view', 'search', 'wishlist_add', 'cart_add', 'checkout', 'coupon',
    'promo_view', 'promo_click', 'email_open', 'email_click'
] %}
{% set dated = ['browse', 'product_view', 'search', 'checkout', 'coupon', 'email_open'] %}
with identities as (

    {{ identities_in_scope() }}

),

orders as (

    select * from {{ ref('int_customer_orders_as_of') }}

),

-- what one id of a customer may know: few rows, looked up once and not once per visit
windows as materialized (

    select
        identities.as_of,
        identities.ref,
        identities.customer_id,
        (identities.as_of at time zone 'UTC')::date as as_of_day,
        {% for days in window_days() -%}
        {{ days_before('identities.as_of', days) }} as since_{{ days }}d
        {%- if not loop.last %},
        {% endif %}
        {% endfor %},
        orders.last_ordered_at
    from identities
    left join orders
        on identities.as_of = orders.as_of and identities.customer_id = orders.customer_id

),

visits as (

    select * from {{ ref('int_visits_in_scope') }}

),

known as (

    select
        windows.as_of,
        windows.customer_id,
        visits.*,
        visits.stretch_from >= windows.since_1d as is_in_1d,
        visits.stretch_from >= windows.since_7d as is_in_7d,
        visits.stretch_from >= windows.since_30d as is_in_30d,
        extract(isodow from visits.visited_on) >= 6 as is_on_weekend,
        visits.stretch_from >= windows.since_30d
        and coalesce(visits.carted_at > windows.last_ordered_at, true) as is_since_last_order,
        -- one bit per UTC day
        case
            when visits.browse_count > 0
                then 1::bit(91) << (windows.as_of_day - visits.visited_on)
        end as browsed_day
    from windows
    inner join visits
        on
            windows.ref = visits.ref
            and windows.as_of > visits.stretch_from
            and windows.since_90d <= visits.stretch_from

),

activity as (

    select
        known.as_of,
        known.customer_id,
        {% for name in counts -%}
        {% for days in [1, 7, 30] -%}
        coalesce(sum(known.{{ name }}_count) filter (where known.is_in_{{ days }}d), 0)
            as {{ name }}_count_{{ days }}d,
        {% endfor -%}
        sum(known.{{ name }}_count) as {{ name }}_count_90d,
        {% endfor -%}
        {% for name in dated -%}
        max(known.last_{{ name }}_at) as last_{{ name }}_at,
        {% endfor -%}
        max(known.carted_at) filter (where known.cart_add_count > 0) as last_cart_add_at,
        coalesce(bit_count(bit_or(known.browsed_day) filter (where known.is_in_7d)), 0)
            as browse_day_count_7d,
        coalesce(bit_count(bit_or(known.browsed_day) filter (where known.is_in_30d)), 0)
            as browse_day_count_30d,
        coalesce(bit_count(bit_or(known.browsed_day)), 0) as browse_day_count_90d,
        coalesce(max(known.funnel_step) filter (where known.is_in_30d), 0) as funnel_depth_30d,
        sum(known.browse_count) as browse_count_90d,
        coalesce(sum(known.browse_count) filter (where known.is_on_weekend), 0)
            as weekend_browse_count_90d,
        sum(known.morning_browse_count) as morning_browse_count_90d,
        sum(known.afternoon_browse_count) as afternoon_browse_count_90d,
        sum(known.evening_browse_count) as evening_browse_count_90d,
        sum(known.device_event_count) as device_event_count_90d,
        sum(known.mobile_event_count) as mobile_event_count_90d,
        coalesce(sum(known.cart_add_count) filter (where known.is_since_last_order), 0)
            as cart_adds_since_last_order,
        greatest(sum(known.cart_value) filter (where known.is_since_last_order), 0)
            as open_cart_value
    from known
    group by known.as_of, known.customer_id

)

select * from activity
