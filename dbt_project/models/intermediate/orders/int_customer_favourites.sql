{{ config(
    pre_hook="{{ forget_touched_customers() }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
) }}

-- One row per customer who ordered a product: the five products that most of the orders hold, the latest
-- first among equals.
with orders as (

    select * from {{ ref('fct_orders') }} as orders
    {% if is_incremental() %}
    where orders.customer_id in {{ touched_customers() }}
    {% endif %}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

bought as (

    select
        orders.customer_id,
        order_lines.product_id,
        count(*) as order_count,
        max(orders.ordered_at) as last_ordered_at
    from orders
    inner join order_lines on orders.order_id = order_lines.order_id
    group by orders.customer_id, order_lines.product_id

),

ranked as (

    select
        bought.*,
        row_number() over (
            partition by bought.customer_id
            order by
                bought.order_count desc,
                bought.last_ordered_at desc,
                bought.product_id collate "C"
        ) as rank_in_customer
    from bought

),

favourites as (

    select
        ranked.customer_id,
        jsonb_agg(ranked.product_id order by ranked.rank_in_customer) as products
    from ranked
    where ranked.rank_in_customer <= 5
    group by ranked.customer_id

)

select * from favourites
