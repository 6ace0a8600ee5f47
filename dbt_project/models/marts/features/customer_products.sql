{{ config(materialized='standing_view') }}

-- One row per customer of the newest snapshot who could be profiled then and has ordered: what to offer
-- to buy again.
with customers as not materialized (

    select * from {{ ref('int_customers_as_of') }}

),

favourites as (

    select * from {{ ref('int_customer_favourites') }}

),

newest as (

    select max(customers.as_of) as as_of
    from customers

),

customer_products as (

    select
        customers.customer_id,
        customers.as_of,
        favourites.products
    from customers
    inner join newest on customers.as_of = newest.as_of
    inner join favourites on customers.customer_id = favourites.customer_id
    where customers.is_profilable

)

select * from customer_products
