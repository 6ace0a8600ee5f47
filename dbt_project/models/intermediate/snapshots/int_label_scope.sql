{{ config(
    pre_hook="{{ forget_everything() }}",
    post_hook="analyze {{ this }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer whose labels this run computes. A label may change until its window
-- is over, by new events; by the mere passing of time it changes when the window ends. In a full refresh
-- everybody is in int_snapshot_scope.
{% set longest = labels() | map(attribute='days') | max %}
{% set windows = labels() | map(attribute='days') | unique | join('), (') %}
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

-- snapshots one of whose windows has ended since the last build
ended as (

    select distinct snapshots.as_of
    from snapshots
    cross join (values ({{ windows }})) as windows (days)
    where
        snapshots.as_of + windows.days * interval '24 hours' > {{ previously_built_through() }}
        and snapshots.as_of + windows.days * interval '24 hours' <= {{ built_through() }}

),

label_scope as (

    select
        scope.as_of,
        scope.customer_id
    from scope
    {% if is_incremental() %}
    union
    select
        customers.as_of,
        customers.customer_id
    from snapshots
    inner join touched on {{ days_after('snapshots.as_of', longest) }} > touched.changed_from
    cross join
        lateral (
            select
                customers.as_of,
                customers.customer_id
            from customers
            where
                customers.as_of = snapshots.as_of
                and customers.customer_id = touched.customer_id
            -- one by one, by the index
            offset 0  -- noqa: AM09
        ) as customers
    union
    select
        customers.as_of,
        customers.customer_id
    from customers
    inner join ended on customers.as_of = ended.as_of
    {% endif %}

)

select * from label_scope
