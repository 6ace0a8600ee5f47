{# Who never decided is profiled only where the shop's setting says so. #}
{% macro is_profilable(newest_decision) -%}
    coalesce({{ newest_decision }}, {{ 'true' if var('unknown_consent') == 'allow' else 'false' }})
{%- endmacro %}
