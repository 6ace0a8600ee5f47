{{ config(
    pre_hook=["{{ remember_rows() }}", "{{ forget_touched_customers() }}"],
    indexes=[{'columns': ['customer_id', 'started_at']}],
) }}

-- One row per session: the events of one customer with no silence longer than `session_gap_minutes`. What
-- is said of its entry comes from one event, the first that tells of a page, referrer or campaign.
with events as (

    {% set events_admitted = ref('int_events_admitted') -%}
    {% if is_incremental() -%}
    {{ rows_of_touched_refs(events_admitted) }}
    {%- else -%}
    select * from {{ events_admitted }}
    {%- endif %}

),

identities as (

    select * from {{ ref('int_identity_spans') }} as spans
    where spans.known_until = 'infinity'

),

orders as (

    {% set orders_placed = ref('int_orders_placed') -%}
    {% if is_incremental() -%}
    {{ rows_of_touched_refs(orders_placed) }}
    {%- else -%}
    select * from {{ orders_placed }}
    {%- endif %}

),

funnel_steps as (

    select * from {{ ref('funnel_steps') }}

),

identified as (

    select
        identities.customer_id,
        events.message_id,
        events.event_name,
        events.occurred_at,
        events.shop_session_id,
        events.product_value,
        events.device_type,
        case
            when
                coalesce(
                    events.page_url,
                    events.referrer,
                    events.utm_source,
                    events.utm_medium,
                    events.utm_campaign
                ) is not null
                then array[
                    events.page_url,
                    events.referrer,
                    events.utm_source,
                    events.utm_medium,
                    events.utm_campaign
                ]
        end as entry,
        funnel_steps.step,
        orders.order_id,
        orders.paid,
        lag(events.occurred_at) over (
            partition by identities.customer_id
            order by events.occurred_at, events.message_id collate "C"
        ) as previous_at
    from events
    inner join identities on events.ref = identities.ref
    left join orders on events.message_id = orders.message_id
    left join funnel_steps on events.event_name = funnel_steps.event_name

),

spaced as (

    select
        identified.*,
        identified.previous_at is null
        or identified.occurred_at - identified.previous_at
        > interval '{{ var("session_gap_minutes") }} minutes' as is_first
    from identified

),

numbered as (

    select
        spaced.*,
        count(*) filter (where spaced.is_first) over (
            partition by spaced.customer_id
            order by spaced.occurred_at, spaced.message_id collate "C"
        ) as session_number
    from spaced

),

aggregated as (

    select
        numbered.customer_id,
        numbered.session_number,
        max(numbered.message_id) filter (where numbered.is_first) as first_message_id,
        array_agg(
            numbered.entry
            order by numbered.occurred_at, numbered.message_id collate "C"
        ) filter (where numbered.entry is not null) as entries,
        (
            array_agg(
                numbered.device_type
                order by numbered.occurred_at, numbered.message_id collate "C"
            ) filter (where numbered.device_type is not null)
        )[1] as device_type,
        min(numbered.occurred_at) as started_at,
        max(numbered.occurred_at) as ended_at,
        count(*) as event_count,
        count(*) filter (where numbered.event_name in {{ browsing_events() }}) as browsing_count,
        count(*) filter (where numbered.event_name = 'product_view') as product_view_count,
        count(*) filter (where numbered.event_name = 'search') as search_count,
        count(*) filter (where numbered.event_name = 'add_to_cart') as cart_add_count,
        count(*) filter (where numbered.event_name = 'remove_from_cart') as cart_remove_count,
        sum(numbered.product_value) filter (
            where numbered.event_name = 'add_to_cart'
        ) as value_added,
        sum(numbered.product_value) filter (
            where numbered.event_name = 'remove_from_cart'
        ) as value_removed,
        coalesce(max(numbered.step), 0) as funnel_depth,
        count(numbered.order_id) as order_count,
        coalesce(sum(numbered.paid), 0) as revenue,
        coalesce(
            jsonb_agg(
                distinct numbered.shop_session_id collate "C"
                order by numbered.shop_session_id collate "C"
            ) filter (where numbered.shop_session_id is not null),
            '[]'::jsonb
        ) as shop_session_ids
    from numbered
    group by numbered.customer_id, numbered.session_number

),

carted as (

    select
        aggregated.*,
        greatest(
            coalesce(aggregated.value_added, 0) - coalesce(aggregated.value_removed, 0), 0
        ) as cart_value,
        -- a shop that sends no prices fills carts, too
        case
            when aggregated.value_added > 0
                then aggregated.value_added > coalesce(aggregated.value_removed, 0)
            else aggregated.cart_add_count > aggregated.cart_remove_count
        end as is_cart_filled
    from aggregated

),

sessions as (

    select
        's' || left(
            encode(
                sha256(
                    convert_to(carted.customer_id || ':' || carted.first_message_id, 'UTF8')
                ),
                'hex'
            ),
            20
        ) as session_id,
        carted.customer_id,
        carted.started_at,
        carted.ended_at,
        extract(epoch from carted.ended_at - carted.started_at)::numeric(38, 6)
            as duration_seconds,
        carted.event_count::integer as event_count,
        carted.product_view_count::integer as product_view_count,
        carted.search_count::integer as search_count,
        carted.cart_add_count::integer as cart_add_count,
        carted.order_count::integer as order_count,
        carted.revenue::numeric(38, 2) as revenue,
        carted.cart_value::numeric(38, 2) as cart_value,
        carted.is_cart_filled and carted.order_count = 0 as has_abandoned_cart,
        carted.browsing_count = 1 and carted.order_count = 0 as is_bounce,
        carted.funnel_depth::integer as funnel_depth,
        carted.device_type,
        {{ page_of('carted.entries[1][1]') }} as landing_page,
        {{ host_of('carted.entries[1][2]') }} as referrer_host,
        carted.entries[1][3] as utm_source,
        carted.entries[1][4] as utm_medium,
        carted.entries[1][5] as utm_campaign,
        carted.shop_session_ids
    from carted

)

select * from sessions
