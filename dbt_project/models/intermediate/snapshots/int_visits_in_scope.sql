{{ config(
    pre_hook="{{ forget_everything() }}",
    post_hook="analyze {{ this }}",
    indexes=[{'columns': ['ref', 'stretch_from']}],
) }}

-- One row per ref, visit, stretch and UTC day, and apart from them per instant at which something went into
-- a cart or out of it: the events that this run's snapshots read, counted once. A stretch lies between two
-- neighbouring edges of their windows, so that each window is made of whole stretches.
{% set kinds = {
    'page_view': 'page_view',
    'product_view': 'product_view',
    'search': 'search',
    'wishlist_add': 'wishlist_add',
    'cart_add': 'add_to_cart',
    'checkout': 'checkout_start',
    'order': 'purchase',
    'coupon': 'coupon_applied',
    'promo_view': 'promo_view',
    'promo_click': 'promo_click',
    'email_open': 'email_open',
    'email_click': 'email_click',
} %}
{% set dated = {
    'browse': 'browse',
    'product_view': 'product_view',
    'search': 'search',
    'checkout': 'checkout_start',
    'coupon': 'coupon_applied',
    'email_open': 'email_open',
} %}
with scope as (

    select * from {{ ref('int_snapshot_scope') }}

),

edges as (

    {{ window_edges('scope') }}

),

ranges as (

    {{ ranges_of_refs('scope') }}

),

events as (

    select * from {{ ref('int_events_admitted') }}

),

funnel_steps as (

    select * from {{ ref('funnel_steps') }}

),

read_events as (

    select
        events.ref,
        events.occurred_at,
        events.event_name,
        events.event_name in {{ browsing_events() }} as is_browsing,
        events.device_type in ('mobile', 'tablet') as is_mobile,
        events.product_value,
        funnel_steps.step,
        {{ edge_before('events.occurred_at') }} as stretch_from
    from ranges
    inner join events
        on
            ranges.ref = events.ref
            and ranges.since <= events.occurred_at
            and ranges.until > events.occurred_at
    cross join edges
    left join funnel_steps on events.event_name = funnel_steps.event_name

),

-- events at one instant belong to one visit, in whatever order
spaced as (

    select
        read_events.*,
        lag(read_events.occurred_at) over (
            partition by read_events.ref order by read_events.occurred_at
        ) as previous_at
    from read_events

),

numbered as (

    select
        spaced.*,
        count(*) filter (
            where spaced.previous_at is null
            or spaced.occurred_at - spaced.previous_at
            > interval '{{ var("session_gap_minutes") }} minutes'
        ) over (partition by spaced.ref order by spaced.occurred_at) as visit_number,
        (spaced.occurred_at at time zone 'UTC')::date as visited_on,
        extract(hour from spaced.occurred_at at time zone 'UTC') as hour_of_day,
        case
            when spaced.event_name in ('add_to_cart', 'remove_from_cart') then spaced.occurred_at
        end as carted_at
    from spaced

),

visits as (

    select
        numbered.ref,
        numbered.stretch_from,
        numbered.visited_on,
        numbered.carted_at,
        min(numbered.occurred_at) as started_at,
        max(numbered.occurred_at) as ended_at,
        coalesce(max(numbered.step), 0) as funnel_step,
        count(*) filter (where numbered.is_browsing)::integer as browse_count,
        {% for name, kind in kinds.items() -%}
        count(*) filter (where numbered.event_name = '{{ kind }}')::integer as {{ name }}_count,
        {% endfor -%}
        {% for name, kind in dated.items() -%}
        max(numbered.occurred_at) filter (
            where
            {% if kind == 'browse' -%}
            numbered.is_browsing
            {%- else -%}
            numbered.event_name = '{{ kind }}'
            {%- endif %}
        ) as last_{{ name }}_at,
        {% endfor -%}
        count(*) filter (
            where numbered.is_browsing and numbered.hour_of_day between 6 and 11
        )::integer as morning_browse_count,
        count(*) filter (
            where numbered.is_browsing and numbered.hour_of_day between 12 and 17
        )::integer as afternoon_browse_count,
        count(*) filter (
            where numbered.is_browsing and numbered.hour_of_day >= 18
        )::integer as evening_browse_count,
        count(numbered.is_mobile)::integer as device_event_count,
        count(*) filter (where numbered.is_mobile)::integer as mobile_event_count,
        sum(
            case numbered.event_name
                when 'add_to_cart' then numbered.product_value
                when 'remove_from_cart' then -numbered.product_value
            end
        ) as cart_value
    from numbered
    group by
        numbered.ref,
        numbered.visit_number,
        numbered.stretch_from,
        numbered.visited_on,
        numbered.carted_at

)

select * from visits
