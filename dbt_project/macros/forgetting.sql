{# Pre-hooks: they delete, in the model's own transaction, exactly the rows that it inserts again. #}

{# Truncated: to delete all that a full refresh left would cost what is stored. #}
{% macro forget_everything() -%}
    {% if is_incremental() %}truncate {{ this }}{% endif %}
{%- endmacro %}

{% macro forget_touched_refs() -%}
    {% set touched = touched_refs() %}
    {% if is_incremental() %}delete from {{ this }} where ref = any(array{{ touched }}){% endif %}
{%- endmacro %}

{% macro forget_reopened_refs() -%}
    {% set reopened = source('ops', 'reopened_refs') %}
    {% if is_incremental() %}
    delete from {{ this }} where ref in (select reopened.ref from {{ reopened }} as reopened)
    {% endif %}
{%- endmacro %}

{% macro forget_touched_ids() -%}
    {% set touched = touched_ids() %}
    {% if is_incremental() %}delete from {{ this }} where ref in {{ touched }}{% endif %}
{%- endmacro %}

{% macro forget_touched_customers() -%}
    {% set touched = touched_customers() %}
    {% if is_incremental() %}delete from {{ this }} where customer_id in {{ touched }}{% endif %}
{%- endmacro %}

{% macro forget_touched_orders() -%}
    {% set touched = touched_orders() %}
    {% if is_incremental() %}delete from {{ this }} where order_id in {{ touched }}{% endif %}
{%- endmacro %}

{% macro forget_scope(key, scope='int_snapshot_scope') -%}
    {% set scope = ref(scope) %}
    {% if is_incremental() %}
    delete from {{ this }} as kept
    using {{ scope }} as scope
    where kept.as_of = scope.as_of and kept.{{ key }} = scope.{{ key }}
    {% endif %}
{%- endmacro %}

{# What builds that finished have left in a table that only speaks of what is under way. #}
{% macro forget_finished() -%}
    {% if is_incremental() %}delete from {{ this }} where not {{ is_new(this.name) }}{% endif %}
{%- endmacro %}

{# A mart as the last build left it; by name, for it is made anew only after whoever asks. #}
{% macro mart(name) -%}
    {{ target.schema }}.{{ name }}
{%- endmacro %}

{# Likewise a table between the sources and the marts. #}
{% macro intermediate(name) -%}
    intermediate.{{ name }}
{%- endmacro %}

{# Before a mart forgets, int_rows_before has to know: the ref puts the two in order. #}
{% macro remember_rows() -%}
    {% set remembered = ref('int_rows_before') %}
{%- endmacro %}
