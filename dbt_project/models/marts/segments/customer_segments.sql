{{ config(materialized='standing_view') }}

-- One row per customer, kind and segment that they are in now, by the active version of each rule: the stays of
-- segment_history that have no end, found without reading the others.
with customers as not materialized (

    select * from {{ ref('dim_customers') }} as customers
    where customers.is_profilable

),

rule_members as (

    select
        stays.customer_id,
        stays.segment,
        'rule' as kind,
        stays.entered_at,
        stays.rule_version
    from {{ ref('int_segment_stays') }} as stays
    inner join {{ source('ops', 'segment_rules') }} as rules
        on stays.segment = rules.name and stays.rule_version = rules.version
    where
        rules.is_active
        and stays.entered_at < {{ built_through() }}
        and stays.left_at >= {{ built_through() }}

),

snapshots as not materialized (

    select snapshots.as_of
    from {{ source('ops', 'snapshots') }} as snapshots
    where snapshots.build_id is not null and snapshots.as_of <= {{ built_through() }}

),

rfm_members as (

    select
        rfm.customer_id,
        rfm.segment,
        'rfm' as kind,
        -- the first snapshot after the last one that did not have them here
        (
            select min(snapshots.as_of)
            from snapshots
            where
                snapshots.as_of > coalesce(
                    (
                        select max(gaps.as_of)
                        from snapshots as gaps
                        where
                            not exists (
                                select 1
                                from {{ ref('customer_rfm') }} as earlier
                                where
                                    earlier.customer_id = rfm.customer_id
                                    and earlier.as_of = gaps.as_of
                                    and earlier.segment = rfm.segment
                                    and earlier.rule_version = rfm.rule_version
                            )
                    ),
                    '-infinity'
                )
        ) as entered_at,
        rfm.rule_version
    from {{ ref('customer_rfm') }} as rfm
    inner join customers on rfm.customer_id = customers.customer_id
    where rfm.as_of = (select max(snapshots.as_of) from snapshots)

),

newest_sets as (

    select distinct on (cluster_sets.method)
        cluster_sets.cluster_set,
        cluster_sets.as_of
    from {{ source('ml', 'cluster_sets') }} as cluster_sets
    order by
        cluster_sets.method asc, cluster_sets.as_of desc, cluster_sets.cluster_set desc

),

cluster_members as (

    select
        clusters.customer_id,
        clusters.segment,
        'cluster' as kind,
        newest_sets.as_of as entered_at,
        newest_sets.cluster_set::integer as rule_version
    from newest_sets
    inner join {{ source('ml', 'customer_clusters') }} as clusters
        on newest_sets.cluster_set = clusters.cluster_set
    inner join customers on clusters.customer_id = customers.customer_id
    where newest_sets.as_of <= {{ built_through() }}

),

members as (

    select * from rule_members
    union all
    select * from rfm_members
    union all
    select * from cluster_members

)

select * from members
