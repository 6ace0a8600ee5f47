{# Written by `make features` from ml/labels. Do not edit. #}
{% macro labels() -%}
    {{ return([
        {"name": "churn", "column": "churned_within_30_days", "outcome": "no_order", "kind": "class", "type": "boolean", "found": "churn_buyers.customer_id is null", "days": 30, "asked_if": "order_count_90d"},
        {"name": "discount", "column": "ordered_with_discount_within_14_days", "outcome": "discounted_order", "kind": "class", "type": "boolean", "found": "discount_buyers.customer_id is not null", "days": 14, "asked_if": "order_count_90d"},
        {"name": "purchase", "column": "purchased_within_7_days", "outcome": "order", "kind": "class", "type": "boolean", "found": "purchase_buyers.customer_id is not null", "days": 7, "asked_if": ""},
        {"name": "value", "column": "net_revenue_within_90_days", "outcome": "net_revenue", "kind": "amount", "type": "numeric(38,2)", "found": "coalesce(value_buyers.amount, 0)", "days": 90, "asked_if": "lifetime_order_count"},
    ]) }}
{%- endmacro %}
