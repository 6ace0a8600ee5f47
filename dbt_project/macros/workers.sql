{# Of everything anew, what every later model waits for is read by all cores: the planner shuns workers that hand over
   many rows. #}
{% macro read_by_all_cores() -%}
    {% if not is_incremental() -%}
    set local parallel_tuple_cost = 0
    {%- endif %}
{%- endmacro %}
