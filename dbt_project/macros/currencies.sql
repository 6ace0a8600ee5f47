{# A currency's code, however it is written; blank is null. #}
{% macro currency_code(text) -%}
    nullif(upper(trim({{ text }})), '')
{%- endmacro %}

{# FOOTFALL_CURRENCY: what the marts' amounts are in. #}
{% macro shop_currency() -%}
    '{{ var("currency") }}'
{%- endmacro %}
