{# A condition that every row satisfies. #}
{% test row_law(model, condition) %}

select *
from {{ model }}
where not coalesce({{ condition }}, false)

{% endtest %}
