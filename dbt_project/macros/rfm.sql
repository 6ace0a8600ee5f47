{# 1 for the lowest fifth to 5 for the highest, within a snapshot; equal values score equal. #}
{% macro quintile(worst_first) -%}
    (
        1 + 5 * (rank() over (partition by measured.as_of order by {{ worst_first }}) - 1)
        / count(*) over (partition by measured.as_of)
    )::integer
{%- endmacro %}

{# A score depends on all customers of its snapshot: where one changes or leaves, all are scored again. #}
{% macro scored_snapshots() -%}
    (
        select snapshots.as_of
        from {{ source('ops', 'snapshots') }} as snapshots
        {% set scope = ref('int_snapshot_scope') -%}
        {% if not var("is_anybody_erased") -%}
        where exists (select 1 from {{ scope }} as scope where scope.as_of = snapshots.as_of)
        {%- endif %}
    )
{%- endmacro %}

{% macro forget_scored_snapshots() -%}
    {% set snapshots = scored_snapshots() %}
    {% if is_incremental() %}delete from {{ this }} where as_of in {{ snapshots }}{% endif %}
{%- endmacro %}
