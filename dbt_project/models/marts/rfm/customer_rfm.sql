{{ config(
    pre_hook="{{ forget_scored_snapshots() }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per snapshot and customer who had ordered before it and could be profiled then. The scores are
-- quintiles among these; who is equal scores equal.
with customers as (

    select * from {{ ref('int_customers_as_of') }} as customers
    where
        customers.is_profilable
        {% if is_incremental() %}
        and customers.as_of in {{ scored_snapshots() }}
        {% endif %}

),

orders as (

    select * from {{ ref('int_customer_orders_as_of') }}

),

rhythm as (

    select * from {{ ref('int_customer_rhythm_as_of') }}

),

segments as (

    select * from {{ ref('segments') }}

),

measured as (

    select
        customers.customer_id,
        customers.as_of,
        floor({{ days_between('orders.last_ordered_at', 'customers.as_of') }})::integer
            as recency_days,
        orders.order_count::integer as frequency,
        orders.net_revenue as monetary,
        rhythm.order_day_count::integer as order_days
    from customers
    inner join orders
        on customers.as_of = orders.as_of and customers.customer_id = orders.customer_id
    inner join rhythm
        on customers.as_of = rhythm.as_of and customers.customer_id = rhythm.customer_id

),

scored as (

    select
        measured.*,
        {{ quintile('measured.recency_days desc') }} as r_score,
        {{ quintile('measured.frequency') }} as f_score,
        {{ quintile('measured.monetary') }} as m_score
    from measured

),

rfm as (

    select
        scored.customer_id,
        scored.as_of,
        scored.recency_days,
        scored.frequency,
        scored.monetary::numeric(38, 2) as monetary,
        scored.order_days,
        scored.r_score,
        scored.f_score,
        scored.m_score,
        segments.segment,
        segments.rule_version
    from scored
    inner join segments
        on
            scored.r_score between segments.r_from and segments.r_to
            and scored.f_score between segments.f_from and segments.f_to
            and scored.m_score between segments.m_from and segments.m_to

)

select * from rfm
