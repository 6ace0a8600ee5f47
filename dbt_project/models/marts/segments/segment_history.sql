{{ config(materialized='standing_view') }}

-- One row per customer, segment, version and stay, of customers who may be profiled now. What began at `entered_at`
-- had not begun just before; at `left_at` it is over.
with customers as not materialized (

    select * from {{ ref('dim_customers') }} as customers
    where customers.is_profilable

),

rule_stays as (

    select
        stays.customer_id,
        stays.segment,
        'rule' as kind,
        stays.rule_version,
        stays.entered_at,
        -- what is planned for later may come otherwise
        case when stays.left_at < {{ built_through() }} then stays.left_at end as left_at
    from {{ ref('int_segment_stays') }} as stays
    where stays.entered_at < {{ built_through() }}

),

-- those that are built: a snapshot that is asked for has nobody in any segment yet
snapshots as (

    select
        snapshots.as_of,
        row_number() over (order by snapshots.as_of) as number,
        lead(snapshots.as_of) over (order by snapshots.as_of) as next_as_of
    from {{ source('ops', 'snapshots') }} as snapshots
    where snapshots.build_id is not null and snapshots.as_of <= {{ built_through() }}

),

rfm_numbered as (

    select
        rfm.customer_id,
        rfm.segment,
        rfm.rule_version,
        rfm.as_of,
        snapshots.next_as_of,
        snapshots.number - row_number() over (
            partition by rfm.customer_id, rfm.segment, rfm.rule_version order by rfm.as_of
        ) as stay
    from {{ ref('customer_rfm') }} as rfm
    inner join customers on rfm.customer_id = customers.customer_id
    inner join snapshots on rfm.as_of = snapshots.as_of

),

-- snapshots that follow each other without a change of segment
rfm_stays as (

    select
        rfm_numbered.customer_id,
        rfm_numbered.segment,
        'rfm' as kind,
        rfm_numbered.rule_version,
        min(rfm_numbered.as_of) as entered_at,
        case
            when count(*) = count(rfm_numbered.next_as_of) then max(rfm_numbered.next_as_of)
        end as left_at
    from rfm_numbered
    group by
        rfm_numbered.customer_id,
        rfm_numbered.segment,
        rfm_numbered.rule_version,
        rfm_numbered.stay

),

-- a later set of a method takes the place of the one before
cluster_sets as (

    select
        cluster_sets.cluster_set,
        cluster_sets.as_of,
        lead(cluster_sets.as_of) over (
            partition by cluster_sets.method
            order by cluster_sets.as_of, cluster_sets.cluster_set
        ) as next_as_of
    from {{ source('ml', 'cluster_sets') }} as cluster_sets

),

cluster_stays as (

    select
        clusters.customer_id,
        clusters.segment,
        'cluster' as kind,
        clusters.cluster_set::integer as rule_version,
        cluster_sets.as_of as entered_at,
        cluster_sets.next_as_of as left_at
    from {{ source('ml', 'customer_clusters') }} as clusters
    inner join customers on clusters.customer_id = customers.customer_id
    inner join cluster_sets on clusters.cluster_set = cluster_sets.cluster_set
    where
        cluster_sets.as_of <= {{ built_through() }}
        and (cluster_sets.next_as_of is null or cluster_sets.as_of < cluster_sets.next_as_of)

),

stays as (

    select * from rule_stays
    union all
    select * from rfm_stays
    union all
    select * from cluster_stays

),

history as (

    select
        stays.customer_id,
        stays.segment,
        stays.kind,
        stays.entered_at,
        stays.left_at,
        stays.rule_version
    from stays

)

select * from history
