{# The products of an order or of a refund, one row per product: one that is named twice is one line.
   Each naming is rounded to cents by itself. #}
{% macro lines_of(products) -%}
    select
        typed.product_id,
        sum(typed.quantity) as quantity,
        coalesce(max(typed.price), 0) as price,
        bool_or(typed.price is not null) as is_priced,
        sum(round(typed.quantity * coalesce(typed.price, 0), 2)) as gross_revenue,
        sum(round(typed.discount, 2)) as discount,
        max(typed.coupon collate "C") as coupon,
        max(typed.category collate "C") as category,
        max(typed.brand collate "C") as brand,
        max(typed.product_name collate "C") as product_name
    from (
        select
            coalesce(
                {{ id_text('sent.product_id') }}, {{ id_text('sent.sku') }}, sent.name, 'unknown'
            ) as product_id,
            coalesce({{ amount('sent.quantity') }}, 1) as quantity,
            {{ amount('sent.price') }} as price,
            coalesce({{ amount('sent.discount') }}, 0) as discount,
            nullif(sent.coupon, '') as coupon,
            sent.category,
            sent.brand,
            sent.name as product_name
        from
            jsonb_to_recordset({{ products }}) as sent (
                product_id jsonb,
                sku jsonb,
                quantity jsonb,
                price jsonb,
                discount jsonb,
                coupon text,
                category text,
                brand text,
                name text
            )
    ) as typed
    group by typed.product_id
{%- endmacro %}
