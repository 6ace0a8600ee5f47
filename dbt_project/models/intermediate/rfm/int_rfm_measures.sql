{{ config(
    incremental_strategy='delete+insert',
    unique_key=['as_of', 'customer_id'],
    indexes=[
        {'columns': ['as_of', 'customer_id'], 'unique': true},
        {'columns': ['as_of', 'r_value', 'customer_id']},
        {'columns': ['as_of', 'f_value', 'customer_id']},
        {'columns': ['as_of', 'm_value', 'customer_id']},
        {'columns': ['build_id']},
    ],
) }}

-- One row per snapshot and customer who had ordered before it and could be profiled then, or of whom the last
-- finished build thought so: what is measured now, and what was measured then. More is better.
with customers as (

    select * from {{ ref('int_customers_as_of') }}

),

orders as (

    select * from {{ ref('int_customer_orders_as_of') }}

),

rhythm as (

    select * from {{ ref('int_customer_rhythm_as_of') }}

),

{% set scope = ref('int_snapshot_scope') %}
{% if is_incremental() %}
scope as (

    select * from {{ scope }}

),

known as (

    select * from {{ this }}

),
{% endif %}

measured as (

    select
        customers.as_of,
        customers.customer_id,
        -floor({{ days_between('orders.last_ordered_at', 'customers.as_of') }}) as r_value,
        orders.order_count::numeric as f_value,
        orders.net_revenue as m_value,
        rhythm.order_day_count as order_days
    from customers
    inner join orders
        on customers.as_of = orders.as_of and customers.customer_id = orders.customer_id
    inner join rhythm
        on customers.as_of = rhythm.as_of and customers.customer_id = rhythm.customer_id
    where customers.is_profilable

),

compared as (

    {% if is_incremental() %}
    select
        scope.as_of,
        scope.customer_id,
        measured.r_value,
        measured.f_value,
        measured.m_value,
        measured.order_days,
        case when {{ is_new('known') }} then known.settled_r_value else known.r_value end
            as settled_r_value,
        case when {{ is_new('known') }} then known.settled_f_value else known.f_value end
            as settled_f_value,
        case when {{ is_new('known') }} then known.settled_m_value else known.m_value end
            as settled_m_value,
        {{ var('build_id') }}::bigint as build_id
    from scope
    left join measured
        on scope.as_of = measured.as_of and scope.customer_id = measured.customer_id
    left join known on scope.as_of = known.as_of and scope.customer_id = known.customer_id
    where
        measured.customer_id is not null
        or known.r_value is not null
        or {{ is_new('known') }}
    {% else %}
    select
        measured.*,
        null::numeric as settled_r_value,
        null::numeric as settled_f_value,
        null::numeric as settled_m_value,
        {{ var('build_id') }}::bigint as build_id
    from measured
    {% endif %}

)

select * from compared
