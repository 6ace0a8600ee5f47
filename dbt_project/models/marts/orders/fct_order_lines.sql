{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[{'columns': ['order_id', 'product_id'], 'unique': true}],
) }}

-- One row per product of an order. A product that the order names twice is one line.
with orders as (

    select * from {{ ref('int_orders_placed') }} as orders
    {% if is_incremental() %}
    where orders.order_id in {{ touched_orders() }}
    {% endif %}

),

order_events as (

    select * from {{ ref('int_order_events') }}

),

-- offset 0 has Postgres join before it takes the lines apart
placed as (

    select
        orders.order_id,
        order_events.order_lines
    from orders
    inner join order_events on orders.message_id = order_events.message_id
    offset 0  -- noqa: AM09

),

order_lines as (

    select
        placed.order_id,
        sent_lines.product_id,
        sent_lines.quantity::numeric(38, 6) as quantity,
        coalesce(
            sent_lines.gross_revenue / nullif(sent_lines.quantity, 0), sent_lines.price
        )::numeric(38, 6) as unit_price,
        sent_lines.gross_revenue::numeric(38, 2) as gross_revenue,
        sent_lines.discount::numeric(38, 2) as discount,
        sent_lines.coupon,
        sent_lines.category,
        sent_lines.brand,
        sent_lines.product_name
    from placed
    cross join
        lateral jsonb_to_recordset(placed.order_lines)
            as sent_lines (
                product_id text,
                quantity numeric,
                price numeric,
                gross_revenue numeric,
                discount numeric,
                coupon text,
                category text,
                brand text,
                product_name text
            )

)

select * from order_lines
