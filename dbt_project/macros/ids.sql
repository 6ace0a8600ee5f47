{# The stable public name of the customer whose root is this ref. #}
{% macro customer_id(root_ref) -%}
    'c' || left(encode(sha256(convert_to({{ root_ref }}, 'UTF8')), 'hex'), 20)
{%- endmacro %}

{# An id as text; a shop may send 12, 12.0 or "12" and mean the same. Blank is null. #}
{% macro id_text(json) -%}
    nullif(
        case jsonb_typeof({{ json }})
            when 'number' then trim_scale(({{ json }})::numeric)::text
            when 'string' then {{ json }} #>> '{}'
        end,
        ''
    )
{%- endmacro %}

{# An amount as numeric; a shop may send 2, "2" or "". Ingest has refused what is no number. #}
{% macro amount(json) -%}
    nullif({{ json }} #>> '{}', '')::numeric
{%- endmacro %}
