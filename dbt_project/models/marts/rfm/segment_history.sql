{{ config(materialized='table') }}

-- One row per customer, segment and stay: snapshots that follow each other without a change of segment.
with rfm as (

    select * from {{ ref('customer_rfm') }}

),

snapshots as (

    select
        snapshots.as_of,
        row_number() over (order by snapshots.as_of) as number,
        lead(snapshots.as_of) over (order by snapshots.as_of) as next_as_of
    from {{ source('ops', 'snapshots') }} as snapshots
    where snapshots.as_of <= {{ built_through() }}

),

numbered as (

    select
        rfm.customer_id,
        rfm.segment,
        rfm.rule_version,
        rfm.as_of,
        snapshots.next_as_of,
        snapshots.number - row_number() over (
            partition by rfm.customer_id, rfm.segment order by rfm.as_of
        ) as stay
    from rfm
    inner join snapshots on rfm.as_of = snapshots.as_of

),

stays as (

    select
        numbered.customer_id,
        numbered.segment,
        min(numbered.as_of) as entered_at,
        case
            when count(*) = count(numbered.next_as_of) then max(numbered.next_as_of)
        end as left_at,
        max(numbered.rule_version) as rule_version
    from numbered
    group by numbered.customer_id, numbered.segment, numbered.stay

)

select * from stays
