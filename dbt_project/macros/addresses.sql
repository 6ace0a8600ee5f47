{# A page without its query and fragment, which may name a person. #}
{% macro page_of(url) -%}
    nullif(split_part(split_part({{ url }}, '#', 1), '?', 1), '')
{%- endmacro %}

{# The host of an address, in lower case and without its www; null where there is none. #}
{% macro host_of(url) -%}
    regexp_replace(
        lower(
            substring({{ url }} from '^[[:alpha:]][[:alnum:].+-]*://(?:[^/?#@]*@)?([^/?#:]+)')
        ),
        '^www[.]',
        ''
    )
{%- endmacro %}
