{{ config(
    pre_hook="{{ forget_everything() }}",
    post_hook="analyze {{ this }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer whose labels this run computes. A label may change until its window
-- is over, by new events and by the mere passing of time.
{% set longest = labels() | map(attribute='days') | max %}
with scope as (

    select * from {{ ref('int_snapshot_scope') }}

),

snapshots as (

    select * from {{ source('ops', 'snapshots') }}

),

customers as not materialized (

    select * from {{ ref('int_customers_as_of') }}

),

touched as (

    select * from {{ ref('int_touched_refs') }} as touched
    where touched.build_id = {{ var('build_id') }}

),

label_scope as (

    select
        scope.as_of,
        scope.customer_id
    from scope
    union
    select
        customers.as_of,
        customers.customer_id
    from snapshots
    inner join touched on {{ days_after('snapshots.as_of', longest) }} > touched.changed_from
    inner join customers
        on
            snapshots.as_of = customers.as_of
            and touched.customer_id = customers.customer_id
    union
    select
        customers.as_of,
        customers.customer_id
    from customers
    where
        {{ days_after('customers.as_of', longest) }} > {{ previously_built_through() }}
        and {{ built_through() }} > {{ previously_built_through() }}

)

select * from label_scope
