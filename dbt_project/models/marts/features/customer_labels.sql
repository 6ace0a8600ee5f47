{{ config(
    pre_hook="{{ forget_labels() }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per row of customer_features: what the customer did after as_of. Null while the window is not
-- over, and where the customer is not of the population. Whoever turned out to be the same customer by
-- the window's end counts as one.
{% set windows = {'purchase': 7, 'churn': 30} %}
with customers as (

    select * from {{ ref('int_customers_as_of') }} as customers
    where
        customers.is_profilable
        {% if is_incremental() %}
        and {{ is_label_open('customers.as_of', 'customers.customer_id') }}
        {% endif %}

),

features as (

    select * from {{ ref('customer_features') }}

),

spans as (

    select * from {{ ref('int_identity_spans') }}

),

orders as (

    select * from {{ ref('int_orders_placed') }}

),

snapshots as (

    select distinct customers.as_of from customers

),

{% for name, days in windows.items() %}
{{ name }}_buyers as (

    select distinct
        snapshots.as_of,
        spans.customer_id
    from snapshots
    inner join orders
        on
            orders.ordered_at >= snapshots.as_of
            and orders.ordered_at < snapshots.as_of + interval '{{ days * 24 }} hours'
    inner join spans
        on
            orders.ref = spans.ref
            and spans.known_after < snapshots.as_of + interval '{{ days * 24 }} hours'
            and spans.known_until >= snapshots.as_of + interval '{{ days * 24 }} hours'

),

{{ name }}_outcomes as (

    select
        customers.as_of,
        customers.customer_id,
        buyers.customer_id is not null as has_ordered
    from customers
    inner join spans
        on
            customers.root_ref = spans.ref
            and spans.known_after < customers.as_of + interval '{{ days * 24 }} hours'
            and spans.known_until >= customers.as_of + interval '{{ days * 24 }} hours'
    left join {{ name }}_buyers as buyers
        on customers.as_of = buyers.as_of and spans.customer_id = buyers.customer_id
    where customers.as_of + interval '{{ days * 24 }} hours' <= {{ built_through() }}

),

{% endfor %}
labels as (

    select
        customers.customer_id,
        customers.as_of,
        purchase_outcomes.has_ordered as purchased_within_7_days,
        case
            when features.order_count_90d > 0 then not churn_outcomes.has_ordered
        end as churned_within_30_days
    from customers
    inner join features
        on customers.as_of = features.as_of and customers.customer_id = features.customer_id
    left join purchase_outcomes
        on
            customers.as_of = purchase_outcomes.as_of
            and customers.customer_id = purchase_outcomes.customer_id
    left join churn_outcomes
        on
            customers.as_of = churn_outcomes.as_of
            and customers.customer_id = churn_outcomes.customer_id

)

select * from labels
