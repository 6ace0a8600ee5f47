-- One row per product that the catalog holds now.
with products as (

    select * from {{ source('raw', 'products') }}

),

named as (

    select
        products.product_id,
        products.version,
        products.updated_at,
        products.name as product_name,
        products.category,
        products.brand,
        products.price,
        products.currency,
        products.stock as stock_count,
        products.attributes,
        products.load_id
    from products

)

select * from named
