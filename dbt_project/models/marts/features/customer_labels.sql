{{ config(
    pre_hook="{{ forget_scope('customer_id', 'int_label_scope') }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per row of customer_features: what the customer did after as_of. Null while the window is not
-- over, and where the customer is not of the population. Whoever turned out to be the same customer by
-- the window's end counts as one.
{% set windows = {'purchase': 7, 'churn': 30} %}
with customers as (

    select customers.*
    from {{ ref('int_customers_as_of') }} as customers
    {% if is_incremental() %}
    inner join {{ ref('int_label_scope') }} as scope
        on customers.as_of = scope.as_of and customers.customer_id = scope.customer_id
    {% endif %}
    where customers.is_profilable

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

-- the first order in the longer window tells of both
next_orders as (

    select
        snapshots.as_of,
        orders.ref,
        min(orders.ordered_at) as ordered_at
    from snapshots
    inner join orders
        on
            snapshots.as_of <= orders.ordered_at
            and {{ days_after('snapshots.as_of', 30) }} > orders.ordered_at
    group by snapshots.as_of, orders.ref

),

{% for name, days in windows.items() %}
{% set window_end = days_after('snapshots.as_of', days) %}
{{ name }}_identities as (

    select
        snapshots.as_of,
        spans.ref,
        spans.customer_id
    from snapshots
    inner join spans
        on {{ window_end }} > spans.known_after and {{ window_end }} <= spans.known_until

),

{{ name }}_buyers as (

    select distinct
        next_orders.as_of,
        later.customer_id
    from next_orders
    inner join {{ name }}_identities as later
        on next_orders.as_of = later.as_of and next_orders.ref = later.ref
    where next_orders.ordered_at < {{ days_after('next_orders.as_of', days) }}

),

{{ name }}_outcomes as (

    select
        customers.as_of,
        customers.customer_id,
        buyers.customer_id is not null as has_ordered
    from customers
    inner join {{ name }}_identities as later
        on customers.as_of = later.as_of and customers.root_ref = later.ref
    left join {{ name }}_buyers as buyers
        on customers.as_of = buyers.as_of and later.customer_id = buyers.customer_id
    where {{ days_after('customers.as_of', days) }} <= {{ built_through() }}

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
