{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[{'columns': ['order_id', 'product_id'], 'unique': true}],
) }}

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

-- offset 0 has Postgres join before it takes the products apart
sent_products as (

    select
        placed.order_id,
        events.products
    from placed
    inner join events on placed.message_id = events.message_id
    offset 0  -- noqa: AM09

),

order_lines as (

    select
        sent_products.order_id,
        products.product_id,
        products.quantity::numeric(38, 6) as quantity,
        coalesce(
            products.gross_revenue / nullif(products.quantity, 0), products.unit_price
        )::numeric(38, 6) as unit_price,
        products.gross_revenue::numeric(38, 2) as gross_revenue,
        products.discount::numeric(38, 2) as discount,
        products.category,
        products.brand,
        products.product_name
    from sent_products
    cross join lateral (  -- noqa: ST05
        with typed as (
            select
                coalesce(
                    {{ id_text('sent.product_id') }},
                    {{ id_text('sent.sku') }},
                    sent.name,
                    'unknown'
                ) as product_id,
                coalesce({{ amount('sent.quantity') }}, 1) as quantity,
                coalesce({{ amount('sent.price') }}, 0) as price,
                coalesce({{ amount('sent.discount') }}, 0) as discount,
                sent.category,
                sent.brand,
                sent.name as product_name
            from
                jsonb_to_recordset(sent_products.products) as sent (
                    product_id jsonb,
                    sku jsonb,
                    quantity jsonb,
                    price jsonb,
                    discount jsonb,
                    category text,
                    brand text,
                    name text
                )
        )

        select
            typed.product_id,
            sum(typed.quantity) as quantity,
            max(typed.price) as unit_price,
            sum(round(typed.quantity * typed.price, 2)) as gross_revenue,
            sum(round(typed.discount, 2)) as discount,
            max(typed.category) as category,
            max(typed.brand) as brand,
            max(typed.product_name) as product_name
        from typed
        group by typed.product_id
    ) as products

)

select * from order_lines
