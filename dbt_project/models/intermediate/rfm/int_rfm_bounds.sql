{{ config(
    pre_hook="{{ forget_unsettled_bounds() }}",
    incremental_strategy='delete+insert',
    unique_key=['as_of', 'measure', 'k'],
    indexes=[
        {'columns': ['as_of', 'measure', 'k'], 'unique': true},
        {'columns': ['build_id']},
    ],
) }}

-- One row per snapshot, measure and bound between two quintiles: the kth is the ceil(k × n / 5)-th smallest
-- value. An increment steps there from the bound of the last finished build, so that a repeated build steps
-- from where the failed one did.
with measured as not materialized (

    select * from {{ ref('int_rfm_measures') }}

),

numbers as (

    select generate_series(1, 4) as k

),

{% if is_incremental() %}
changed as (

    select
        measured.as_of,
        measured.customer_id,
        measures.measure,
        measures.value,
        measures.settled_value
    from measured
    {{ each_measure('measured') }}
    where {{ is_new('measured') }}

),

known as (

    select
        known.as_of,
        known.measure,
        known.k,
        case
            when {{ is_new('known') }} then known.settled_customer_count
            else known.customer_count
        end as customer_count,
        case when {{ is_new('known') }} then known.settled_bound else known.bound end as bound,
        case
            when {{ is_new('known') }} then known.settled_bound_customer_id
            else known.bound_customer_id
        end as bound_customer_id,
        case when {{ is_new('known') }} then known.lowest_bound end as lowest_bound,
        case when {{ is_new('known') }} then known.highest_bound end as highest_bound
    from {{ this }} as known
    where known.as_of in (select changed.as_of from changed)

),

counted as (

    select
        known.*,
        known.customer_count + count(changed.value) - count(changed.settled_value)
            as customer_count_now,
        count(*) filter (
            where (changed.value, changed.customer_id) < (known.bound, known.bound_customer_id)
        ) as entered_count,
        count(*) filter (
            where
            (changed.settled_value, changed.customer_id) < (known.bound, known.bound_customer_id)
        ) as left_count
    from known
    inner join changed on known.as_of = changed.as_of and known.measure = changed.measure
    where known.customer_count > 0 and {{ is_nobody_erased() }}
    group by
        known.as_of,
        known.measure,
        known.k,
        known.customer_count,
        known.bound,
        known.bound_customer_id,
        known.lowest_bound,
        known.highest_bound

),

-- how many are below the old bound now, and which place the new one has
placed as (

    select
        counted.*,
        {{ bound_place('counted.k', 'counted.customer_count_now') }} as place,
        {{ bound_place('counted.k', 'counted.customer_count') }} - 1
        + counted.entered_count
        - counted.left_count as below_count
    from counted

),

stepped as (

    select
        placed.as_of,
        placed.measure,
        placed.k,
        placed.customer_count_now as customer_count,
        reached.bound,
        reached.customer_id as bound_customer_id,
        placed.customer_count as settled_customer_count,
        placed.bound as settled_bound,
        placed.bound_customer_id as settled_bound_customer_id,
        least(placed.lowest_bound, placed.bound, reached.bound) as lowest_bound,
        greatest(placed.highest_bound, placed.bound, reached.bound) as highest_bound
    from placed
    left join lateral ({{ stepped_to('placed', 'measured') }}) as reached on true

),
{% endif %}

{% if is_incremental() %}
-- where there is no bound to step from
unplaced as (

    {{ scored_snapshots() }}
    except
    select placed.as_of
    from placed

),
{% endif %}

sorted as (

    {% if is_incremental() %}
    select customers.*
    from unplaced
    cross join
        lateral (
            select measured.*
            from measured
            where measured.as_of = unplaced.as_of
            offset 0  -- noqa: AM09
        ) as customers
    {% else %}
    select * from measured
    {% endif %}

),

ranked as (

    select
        sorted.as_of,
        sorted.customer_id,
        measures.measure,
        measures.value,
        row_number() over (
            partition by sorted.as_of, measures.measure
            order by measures.value, sorted.customer_id
        ) as place,
        count(*) over (partition by sorted.as_of, measures.measure) as customer_count
    from sorted
    {{ each_measure('sorted') }}
    where sorted.r_value is not null

),

bounds as (

    select
        ranked.as_of,
        ranked.measure,
        numbers.k,
        ranked.customer_count,
        ranked.value as bound,
        ranked.customer_id as bound_customer_id,
        null::bigint as settled_customer_count,
        null::numeric as settled_bound,
        null::text as settled_bound_customer_id,
        null::numeric as lowest_bound,
        null::numeric as highest_bound
    from ranked
    inner join numbers
        on ranked.place = {{ bound_place('numbers.k', 'ranked.customer_count') }}
    {% if is_incremental() %}
    union all
    select * from stepped
    {% endif %}

)

select
    bounds.as_of,
    bounds.measure,
    bounds.k,
    bounds.customer_count,
    bounds.bound,
    bounds.bound_customer_id,
    bounds.settled_customer_count,
    bounds.settled_bound,
    bounds.settled_bound_customer_id,
    bounds.lowest_bound,
    bounds.highest_bound,
    {{ var('build_id') }}::bigint as build_id
from bounds
