{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per snapshot and customer who had ordered before it and could be profiled then. Several orders of
-- one UTC day are one purchase.
with identities as (

    {{ identities_in_scope() }}

),

customers as (

    select * from {{ ref('int_customers_as_of') }}

),

entries as (

    select * from {{ ref('int_order_entries') }}

),

days as (

    select
        identities.as_of,
        identities.customer_id,
        (entries.ordered_at at time zone 'UTC')::date as ordered_on,
        sum(entries.amount) as net_revenue
    from identities
    inner join customers
        on
            identities.as_of = customers.as_of
            and identities.customer_id = customers.customer_id
            and customers.is_profilable
    inner join entries
        on identities.ref = entries.ref and identities.as_of > entries.known_at
    group by
        identities.as_of,
        identities.customer_id,
        (entries.ordered_at at time zone 'UTC')::date

),

dated as (

    select
        days.*,
        min(days.ordered_on) over (partition by days.as_of, days.customer_id) as first_ordered_on,
        -- the last day that the snapshot knows something of
        ((days.as_of - interval '1 microsecond') at time zone 'UTC')::date as known_on
    from days

),

summary as (

    select
        dated.customer_id,
        dated.as_of,
        (count(*) - 1)::integer as repeat_days,
        max(dated.ordered_on) - dated.first_ordered_on as recency_days,
        dated.known_on - dated.first_ordered_on as age_days,
        coalesce(
            avg(dated.net_revenue) filter (where dated.ordered_on > dated.first_ordered_on), 0
        )::numeric(38, 6) as mean_repeat_value
    from dated
    group by dated.customer_id, dated.as_of, dated.first_ordered_on, dated.known_on

)

select * from summary
