{# Written by `make features` from ml/labels. Do not edit. #}
{% macro labels() -%}
    {{ return([
        {"name": "churn", "column": "churned_within_30_days", "outcome": "no_order", "true_if": "null", "days": 30, "asked_if": "order_count_90d"},
        {"name": "discount", "column": "ordered_with_discount_within_14_days", "outcome": "discounted_order", "true_if": "not null", "days": 14, "asked_if": "order_count_90d"},
        {"name": "purchase", "column": "purchased_within_7_days", "outcome": "order", "true_if": "not null", "days": 7, "asked_if": ""},
    ]) }}
{%- endmacro %}
