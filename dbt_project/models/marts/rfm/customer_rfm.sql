{{ config(
    pre_hook="{{ forget_rescored_customers() }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per snapshot and customer who had ordered before it and could be profiled then. The scores are
-- quintiles among these; who is equal scores equal.
with measured as (

    {% if is_incremental() %}
    select * from {{ rescored_customers() }} as customers
    {% else %}
    select * from {{ ref('int_rfm_measures') }} as customers
    {% endif %}
    where customers.r_value is not null

),

bounds as (

    select
        bounds.as_of,
        array_agg(bounds.bound order by bounds.k) filter (where bounds.measure = 'r') as r_bounds,
        array_agg(bounds.bound order by bounds.k) filter (where bounds.measure = 'f') as f_bounds,
        array_agg(bounds.bound order by bounds.k) filter (where bounds.measure = 'm') as m_bounds
    from {{ ref('int_rfm_bounds') }} as bounds
    group by bounds.as_of

),

segments as (

    select * from {{ ref('segments') }} as segments
    where
        segments.rule_version = (
            select max(versions.rule_version)
            from {{ ref('segments') }} as versions
        )

),

scored as (

    select
        measured.*,
        {{ quintile('measured.r_value', 'bounds.r_bounds') }} as r_score,
        {{ quintile('measured.f_value', 'bounds.f_bounds') }} as f_score,
        {{ quintile('measured.m_value', 'bounds.m_bounds') }} as m_score
    from measured
    inner join bounds on measured.as_of = bounds.as_of

),

rfm as (

    select
        scored.customer_id,
        scored.as_of,
        (-scored.r_value)::integer as recency_days,
        scored.f_value::integer as frequency,
        scored.m_value::numeric(38, 2) as monetary,
        scored.order_days::integer as order_days,
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
