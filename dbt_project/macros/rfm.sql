{# 1 for the lowest fifth to 5 for the highest: how many of the four bounds lie below the value. #}
{% macro quintile(value, bounds) -%}
    (
        1
        {%- for k in range(1, 5) %}
        + ({{ bounds }}[{{ k }}] < {{ value }})::integer
        {%- endfor %}
    )
{%- endmacro %}

{# The place of the kth bound among so many customers: ceil(k × n / 5), in whole numbers. #}
{% macro bound_place(k, customer_count) -%}
    (({{ k }} * {{ customer_count }} + 4) / 5)
{%- endmacro %}

{# A row per measure of a row of int_rfm_measures. #}
{% macro each_measure(measured) -%}
    cross join
        lateral (
            values
            {%- for measure in ['r', 'f', 'm'] %}
            ('{{ measure }}', {{ measured }}.{{ measure }}_value, {{ measured }}.settled_{{ measure }}_value)
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as measures (measure, value, settled_value)
{%- endmacro %}

{# The customer at a place, by steps from the old bound: as many as customers have changed, at most. #}
{% macro stepped_to(placed, measured) -%}
    {% for measure in ['r', 'f', 'm'] -%}
    {% set value = measured ~ '.' ~ measure ~ '_value' -%}
    (
        select
            {{ value }} as bound,
            {{ measured }}.customer_id
        from {{ measured }}
        where
            {{ placed }}.measure = '{{ measure }}'
            and {{ placed }}.place > {{ placed }}.below_count
            and {{ measured }}.as_of = {{ placed }}.as_of
            and ({{ value }}, {{ measured }}.customer_id)
            >= ({{ placed }}.bound, {{ placed }}.bound_customer_id)
        order by {{ value }} asc, {{ measured }}.customer_id asc
        limit 1 offset greatest({{ placed }}.place - {{ placed }}.below_count - 1, 0)
    )
    union all
    (
        select
            {{ value }} as bound,
            {{ measured }}.customer_id
        from {{ measured }}
        where
            {{ placed }}.measure = '{{ measure }}'
            and {{ placed }}.place <= {{ placed }}.below_count
            and {{ measured }}.as_of = {{ placed }}.as_of
            and ({{ value }}, {{ measured }}.customer_id)
            < ({{ placed }}.bound, {{ placed }}.bound_customer_id)
        order by {{ value }} desc, {{ measured }}.customer_id desc
        limit 1 offset greatest({{ placed }}.below_count - {{ placed }}.place, 0)
    )
    {% if not loop.last %}union all{% endif %}
    {% endfor -%}
{%- endmacro %}

{# What an unfinished build made of a snapshot that was new to it; all, if somebody was erased. #}
{% macro forget_unsettled_bounds() -%}
    {% if is_incremental() %}
    delete from {{ this }} as kept
    {%- if not var('is_anybody_erased') %}
    where {{ is_new('kept') }} and kept.settled_customer_count is null
    {%- endif %}
    {% endif %}
{%- endmacro %}

{# Once somebody is erased, nobody knows which place a bound had. #}
{% macro is_nobody_erased() -%}
    {{ 'false' if var('is_anybody_erased') else 'true' }}
{%- endmacro %}

{# The snapshots of which a customer changed, or may have been erased. #}
{% macro scored_snapshots() -%}
    select scored.as_of
    from {{ ref('int_rfm_measures') }} as scored
    {%- if not var('is_anybody_erased') %}
    where {{ is_new('scored') }}
    {%- endif %}
{%- endmacro %}

{# Whose scores may be others than at the last finished build: who changed, and whose value a bound has passed.
   The planner cannot know how few these are; offset 0 has it go by the index. #}
{% macro rescored_customers() -%}
    {% set measures = ref('int_rfm_measures') -%}
    {% set bounds = ref('int_rfm_bounds') -%}
    (
        select changed.*
        from {{ measures }} as changed
        {%- if not var('is_anybody_erased') %}
        where {{ is_new('changed') }}
        {%- for measure in ['r', 'f', 'm'] %}
        union
        select passed.*
        from {{ bounds }} as bounds
        cross join lateral (
            select measured.*
            from {{ measures }} as measured
            where
                measured.as_of = bounds.as_of
                and measured.{{ measure }}_value > bounds.lowest_bound
                and measured.{{ measure }}_value <= bounds.highest_bound
            offset 0
        ) as passed
        where
            {{ is_new('bounds') }}
            and bounds.measure = '{{ measure }}'
            and bounds.lowest_bound < bounds.highest_bound
        {%- endfor %}
        {%- endif %}
    )
{%- endmacro %}

{# A delta of what is published looks at them, too. Who has no row yet is a touched customer. #}
{% macro forget_rescored_customers() -%}
    {% set rescored = rescored_customers() %}
    {% set changed_customers = source('ops', 'changed_customers') %}
    {% if is_incremental() %}
    with forgotten as (
        delete from {{ this }}
        {%- if not var('is_anybody_erased') %}
        where ctid = any(
            array(
                select found.place
                from {{ rescored }} as rescored
                cross join lateral (
                    select kept.ctid as place
                    from {{ this }} as kept
                    where kept.as_of = rescored.as_of and kept.customer_id = rescored.customer_id
                    offset 0
                ) as found
            )
        )
        {%- endif %}
        returning customer_id
    )

    insert into {{ changed_customers }} (build_id, customer_id)
    select distinct
        {{ var('build_id') }}::bigint as build_id,
        forgotten.customer_id
    from forgotten
    on conflict do nothing
    {% endif %}
{%- endmacro %}
