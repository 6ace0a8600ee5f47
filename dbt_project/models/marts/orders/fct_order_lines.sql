{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[{'columns': ['order_id', 'product_id'], 'unique': true}],
) }}

-- One row per product of an order. A product that the order names twice is one line. What is lost or won by
-- rounding is carried on to the next line, so that the lines sum to the order.
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
        orders.exchange_rate,
        order_events.order_lines
    from orders
    inner join order_events on orders.message_id = order_events.message_id
    offset 0  -- noqa: AM09

),

converted as (

    select
        placed.order_id,
        sent_lines.product_id,
        sent_lines.quantity,
        sent_lines.price * placed.exchange_rate as price,
        round(sent_lines.gross_so_far * placed.exchange_rate, 2)
        - round((sent_lines.gross_so_far - sent_lines.gross_revenue) * placed.exchange_rate, 2)
            as gross_revenue,
        round(sent_lines.discount_so_far * placed.exchange_rate, 2)
        - round((sent_lines.discount_so_far - sent_lines.discount) * placed.exchange_rate, 2)
            as discount,
        sent_lines.coupon,
        sent_lines.category,
        sent_lines.brand,
        sent_lines.product_name
    from placed
    cross join lateral (  -- noqa: ST05
        select
            sent.*,
            sum(sent.gross_revenue) over so_far as gross_so_far,
            sum(sent.discount) over so_far as discount_so_far
        from
            jsonb_to_recordset(placed.order_lines) as sent (
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
        window so_far as (
            order by sent.product_id collate "C"
            rows between unbounded preceding and current row
        )
    ) as sent_lines

),

order_lines as (

    select
        converted.order_id,
        converted.product_id,
        converted.quantity::numeric(38, 6) as quantity,
        coalesce(converted.gross_revenue / nullif(converted.quantity, 0), converted.price)::numeric(
            38, 6
        ) as unit_price,
        converted.gross_revenue::numeric(38, 2) as gross_revenue,
        converted.discount::numeric(38, 2) as discount,
        converted.coupon,
        converted.category,
        converted.brand,
        converted.product_name
    from converted

)

select * from order_lines
