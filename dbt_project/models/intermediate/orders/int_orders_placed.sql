{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[
        {'columns': ['order_id'], 'unique': true},
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'ordered_at']},
        {'columns': ['ordered_at']},
    ],
) }}

-- One row per order, as it was placed: what snapshots need, so that they never read the lines.
with order_events as (

    select * from {{ ref('int_order_events') }} as order_events
    where
        order_events.event_name = 'purchase'
        {% if is_incremental() %}
        and order_events.order_id in {{ touched_orders() }}
        {% endif %}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }} as order_lines
    {% if is_incremental() %}
    where order_lines.order_id in {{ touched_orders() }}
    {% endif %}

),

placed as (

    select distinct on (order_events.order_id) order_events.*
    from order_events
    order by
        order_events.order_id, order_events.occurred_at, order_events.message_id collate "C"

),

line_totals as (

    select
        order_lines.order_id,
        sum(order_lines.gross_revenue) as gross_revenue,
        sum(order_lines.discount) as discount,
        sum(order_lines.quantity) as item_count,
        count(*) as product_count,
        count(distinct order_lines.category) as category_count
    from order_lines
    group by order_lines.order_id

),

priced as (

    select
        placed.order_id,
        placed.message_id,
        placed.ref,
        placed.occurred_at as ordered_at,
        placed.currency,
        placed.coupon,
        coalesce(
            line_totals.gross_revenue, placed.revenue + coalesce(placed.discount, 0), 0
        ) as gross_revenue,
        coalesce(placed.discount, line_totals.discount, 0) as discount,
        coalesce(line_totals.item_count, 0) as item_count,
        coalesce(line_totals.product_count, 0) as product_count,
        coalesce(line_totals.category_count, 0) as category_count
    from placed
    left join line_totals on placed.order_id = line_totals.order_id

),

orders_placed as (

    select
        priced.*,
        priced.gross_revenue - priced.discount as paid
    from priced

)

select * from orders_placed
