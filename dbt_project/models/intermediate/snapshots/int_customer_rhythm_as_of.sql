{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer with an order before it: the days on which the customer ordered and
-- the gaps between them. Gaps are taken between the days of the last 365.
with identities as (

    {{ identities_in_scope() }}

),

order_days as (

    select * from {{ ref('int_order_days') }}

),

-- a customer's refs may have ordered on the same day
days as (

    select
        identities.as_of,
        identities.customer_id,
        order_days.ordered_on,
        bool_or(
            order_days.last_ordered_at >= {{ days_before('identities.as_of', 365) }}
        ) as is_in_365d,
        bool_or(
            order_days.last_ordered_at >= {{ days_before('identities.as_of', 90) }}
        ) as is_in_90d,
        bool_or(
            order_days.last_ordered_at >= {{ days_before('identities.as_of', 30) }}
        ) as is_in_30d
    from identities
    inner join order_days
        on identities.ref = order_days.ref and identities.as_of > order_days.first_ordered_at
    group by identities.as_of, identities.customer_id, order_days.ordered_on

),

gapped as (

    select
        days.*,
        case
            when
                lag(days.is_in_365d) over (
                    partition by days.as_of, days.customer_id order by days.ordered_on
                )
                then days.ordered_on - lag(days.ordered_on) over (
                    partition by days.as_of, days.customer_id order by days.ordered_on
                )
        end as gap_days
    from days

),

rhythm as (

    select
        gapped.as_of,
        gapped.customer_id,
        count(*) as order_day_count,
        count(*) filter (where gapped.is_in_30d) as order_day_count_30d,
        count(*) filter (where gapped.is_in_90d) as order_day_count_90d,
        avg(gapped.gap_days) as mean_gap_days,
        stddev_samp(gapped.gap_days) as std_gap_days,
        max(gapped.gap_days) as max_gap_days,
        array_agg(gapped.gap_days order by gapped.ordered_on)
        filter (where gapped.gap_days is not null) as gaps_days
    from gapped
    group by gapped.as_of, gapped.customer_id

)

select * from rhythm
