{# The planner has to know of many new rows at once; of few at a time autovacuum tells it. #}
{% macro refresh_statistics() -%}
    {% if model.config.materialized not in ('view', 'standing_view')
        and (not is_incremental() or 'snapshot' in model.tags) -%}
    analyze {{ this }}
    {%- endif %}
{%- endmacro %}
