{{ config(pre_hook="{{ forget_touched_orders() }}") }}

-- One row per product of an order. A product that the order names twice is one line.
with order_events as (

    select * from {{ ref('int_order_events') }}

),

events as (

    select * from {{ ref('stg_shop__events') }}

),

-- an order that was sent twice is the one that came first
placed as (

    select distinct on (order_events.order_id)
        order_events.order_id,
        order_events.message_id
    from order_events
    where
        order_events.event_name = 'purchase'
        {% if is_incremental() %}
        and order_events.order_id in {{ touched_orders() }}
        {% endif %}
    order by
        order_events.order_id, order_events.occurred_at, order_events.message_id collate "C"

),

order_lines as (

    select
        placed.order_id,
        lines.product_id,
        lines.quantity::numeric(38, 6) as quantity,
        coalesce(lines.gross_revenue / nullif(lines.quantity, 0), lines.unit_price)::numeric(38, 6)
            as unit_price,
        lines.gross_revenue::numeric(38, 2) as gross_revenue,
        lines.discount::numeric(38, 2) as discount,
        lines.category,
        lines.brand,
        lines.product_name
    from placed
    inner join events on placed.message_id = events.message_id
    cross join lateral (
        select
            sum(typed.quantity) as quantity,
            max(typed.price) as unit_price,
            sum(round(typed.quantity * typed.price, 2)) as gross_revenue,
            sum(round(typed.discount, 2)) as discount,
            max(typed.category) as category,
            max(typed.brand) as brand,
            max(typed.name) as product_name,
            typed.product_id
        from (
            select
                coalesce(
                    {{ id_text('sent.product_id') }}, {{ id_text('sent.sku') }}, sent.name, 'unknown'
                ) as product_id,
                coalesce({{ amount('sent.quantity') }}, 1) as quantity,
                coalesce({{ amount('sent.price') }}, 0) as price,
                coalesce({{ amount('sent.discount') }}, 0) as discount,
                sent.category,
                sent.brand,
                sent.name
            from
                jsonb_to_recordset(events.products) as sent (
                    product_id jsonb,
                    sku jsonb,
                    quantity jsonb,
                    price jsonb,
                    discount jsonb,
                    category text,
                    brand text,
                    name text
                )
        ) as typed
        group by typed.product_id
    ) as lines

)

select * from order_lines
