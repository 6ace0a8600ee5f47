{# The planner has to know of many new rows at once, as a new snapshot or a backlog brings them; of few at a time
   autovacuum tells it. #}
{% macro refresh_statistics() -%}
    {% set are_many = var('new_events') > 10000 or ('snapshot' in model.tags and var('is_snapshot_new')) %}
    {% if model.config.materialized not in ('view', 'standing_view')
        and (are_many or not is_incremental()) -%}
    analyze {{ this }}
    {%- endif %}
{%- endmacro %}
