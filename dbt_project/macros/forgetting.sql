{# Pre-hooks: they delete, in the model's own transaction, exactly the rows that it inserts again. #}

{% macro forget_everything() -%}
    {% if is_incremental() %}delete from {{ this }}{% endif %}
{%- endmacro %}

{% macro forget_touched_refs() -%}
    {% set touched = touched_refs() %}
    {% if is_incremental() %}delete from {{ this }} where ref in {{ touched }}{% endif %}
{%- endmacro %}

{# A customer_id is the hash of a ref, so that those of the touched refs cover every customer there was. #}
{% macro forget_touched_customers() -%}
    {% set touched = ref('int_touched_refs') %}
    {% if is_incremental() %}
    delete from {{ this }}
    where customer_id in (
        select touched.customer_id
        from {{ touched }} as touched
        where touched.build_id = {{ var('build_id') }}
    )
    {% endif %}
{%- endmacro %}

{% macro forget_touched_orders() -%}
    {% set touched = touched_orders() %}
    {% if is_incremental() %}delete from {{ this }} where order_id in {{ touched }}{% endif %}
{%- endmacro %}

{% macro forget_scope(key) -%}
    {% set scope = ref('int_snapshot_scope') %}
    {% if is_incremental() %}
    delete from {{ this }} as kept
    using {{ scope }} as scope
    where kept.as_of = scope.as_of and kept.{{ key }} = scope.{{ key }}
    {% endif %}
{%- endmacro %}
