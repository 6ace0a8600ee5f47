{{ config(
    pre_hook="{{ forget_touched_customers() }}",
    indexes=[{'columns': ['customer_id', 'started_at']}],
) }}

-- One row per session: the events of one customer with no silence longer than `session_gap_minutes`.
with events as (

    select * from {{ ref('int_events_admitted') }} as events
    {% if is_incremental() %}
    where events.ref in {{ touched_refs() }}
    {% endif %}

),

identities as (

    select * from {{ ref('int_identity_spans') }} as spans
    where spans.known_until = 'infinity'

),

orders as (

    select * from {{ ref('int_orders_placed') }}

),

identified as (

    select
        identities.customer_id,
        events.message_id,
        events.event_name,
        events.occurred_at,
        events.shop_session_id,
        orders.order_id,
        orders.paid,
        lag(events.occurred_at) over (
            partition by identities.customer_id
            order by events.occurred_at, events.message_id collate "C"
        ) as previous_at
    from events
    inner join identities on events.ref = identities.ref
    left join orders on events.message_id = orders.message_id

),

numbered as (

    select
        identified.*,
        count(*) filter (
            where identified.previous_at is null
            or identified.occurred_at - identified.previous_at
            > interval '{{ var("session_gap_minutes") }} minutes'
        ) over (
            partition by identified.customer_id
            order by identified.occurred_at, identified.message_id collate "C"
        ) as session_number
    from identified

),

aggregated as (

    select
        numbered.customer_id,
        numbered.session_number,
        (
            array_agg(
                numbered.message_id
                order by numbered.occurred_at, numbered.message_id collate "C"
            )
        )[1] as first_message_id,
        min(numbered.occurred_at) as started_at,
        max(numbered.occurred_at) as ended_at,
        count(*) as event_count,
        count(*) filter (where numbered.event_name = 'product_view') as product_view_count,
        count(*) filter (where numbered.event_name = 'add_to_cart') as cart_add_count,
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

sessions as (

    select
        's' || left(
            encode(
                sha256(
                    convert_to(aggregated.customer_id || ':' || aggregated.first_message_id, 'UTF8')
                ),
                'hex'
            ),
            20
        ) as session_id,
        aggregated.customer_id,
        aggregated.started_at,
        aggregated.ended_at,
        aggregated.event_count::integer as event_count,
        aggregated.product_view_count::integer as product_view_count,
        aggregated.cart_add_count::integer as cart_add_count,
        aggregated.order_count::integer as order_count,
        aggregated.revenue::numeric(38, 2) as revenue,
        aggregated.shop_session_ids
    from aggregated

)

select * from sessions
