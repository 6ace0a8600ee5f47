{{ config(
    pre_hook="{{ forget_evaluated_stays() }}",
    indexes=[
        {'columns': ['customer_id', 'segment', 'rule_version', 'entered_at'], 'unique': true},
        {'columns': ['left_at']},
    ],
) }}

-- One row per customer, version of a rule and stay, from all that is known before `built_through`. What lies later
-- is planned: so it will be, if nothing else happens. `left_at` is infinity where nothing but an event can end it.
-- Exact in event time: each condition is a step function of time, and a stay is a span in which all hold. The
-- windows by instants need no tie-breaker: all rows of one instant get the same sum.
with customers as materialized (

    select
        customers.customer_id,
        row_number() over (order by customers.customer_id) as customer_number,
        {% if is_incremental() %}
        customers.customer_id in {{ touched_customers() }} as is_touched
        {% else %}
        true as is_touched
        {% endif %}
    from {{ ref('dim_customers') }} as customers
    where
        customers.is_profilable
        {% if is_incremental() and not is_a_rule_new() %}
        and customers.customer_id in {{ touched_customers() }}
        {% endif %}

),

identities as (

    select
        spans.ref,
        customers.customer_number,
        customers.is_touched
    from {{ ref('int_identity_spans') }} as spans
    inner join customers on spans.customer_id = customers.customer_id
    where
        spans.known_until = 'infinity'
        {% if is_incremental() and not is_a_rule_new() %}
        and spans.ref in {{ touched_refs() }}
        {% endif %}

),

events as (  -- noqa: ST03

    select
        events.event_name,
        events.occurred_at,
        events.shop_session_id,
        events.product_id,
        events.category,
        events.product_value,
        identities.customer_number,
        identities.is_touched
    from {{ ref('int_events_admitted') }} as events
    inner join identities on events.ref = identities.ref

),

-- orders, and what was given back for them
entries as (

    select
        entries.order_id,
        entries.is_order,
        entries.ordered_at,
        entries.known_at,
        entries.amount,
        identities.customer_number,
        identities.is_touched
    from {{ ref('int_order_entries') }} as entries
    inner join identities on entries.ref = identities.ref

),

order_lines as (  -- noqa: ST03

    select
        entries.customer_number,
        entries.is_touched,
        entries.ordered_at,
        bought.order_id,
        bought.product_id,
        bought.category
    from entries
    inner join {{ ref('fct_order_lines') }} as bought on entries.order_id = bought.order_id
    where entries.is_order

),

contributions as (

    {{ contributions() }}

),

conditions as (

    {{ comparisons() }}

),

rules as (

    select distinct
        conditions.rule,
        conditions.segment,
        conditions.rule_version
    from conditions

),

-- an amount comes and goes
steps as (

    select
        contributions.condition,
        contributions.customer_number,
        contributions.category,
        edges.changed_at,
        edges.amount
    from contributions
    cross join
        lateral (
            values
            (contributions.from_at, contributions.amount),
            (contributions.until_at, -contributions.amount)
        ) as edges (changed_at, amount)
    where
        edges.changed_at < 'infinity'
        and (contributions.from_at < contributions.until_at) is not false

),

measured as (

    select
        steps.condition,
        steps.customer_number,
        steps.category,
        steps.changed_at,
        sum(steps.amount) over (
            partition by steps.condition, steps.customer_number, steps.category
            order by steps.changed_at
        ) as measure
    from steps

),

compared as (

    select
        measured.*,
        lag(measured.measure, 1, 0::numeric) over (
            partition by measured.condition, measured.customer_number, measured.category
            order by measured.changed_at
        ) as measure_before
    from measured

),

-- a condition begins to hold, or ceases to
turns as (

    select
        conditions.rule,
        conditions.turn_count,
        compared.customer_number,
        compared.category,
        compared.changed_at,
        ({{ holds('conditions', 'compared.measure') }})::integer
        - ({{ holds('conditions', 'compared.measure_before') }})::integer as turn
    from compared
    inner join conditions on compared.condition = conditions.condition
    where compared.measure <> compared.measure_before

),

-- all conditions hold where as many more hold as do not of nothing
held as (

    select
        turns.rule,
        turns.customer_number,
        turns.category,
        turns.changed_at,
        sum(turns.turn) over (
            partition by turns.rule, turns.customer_number, turns.category
            order by turns.changed_at
        ) = turns.turn_count as is_member
    from turns
    where turns.turn <> 0

),

changed as (

    select
        held.*,
        lag(held.is_member, 1, false) over (
            partition by held.rule, held.customer_number, held.category
            order by held.changed_at
        ) as was_member
    from held

),

spans as (

    select
        changed.rule,
        changed.customer_number,
        changed.category,
        changed.is_member,
        changed.changed_at as entered_at,
        lead(changed.changed_at, 1, 'infinity') over (
            partition by changed.rule, changed.customer_number, changed.category
            order by changed.changed_at
        ) as left_at
    from changed
    where changed.is_member <> changed.was_member

),

-- with `per`, a customer stays as long as any category keeps them
reached as (

    select
        spans.*,
        max(spans.left_at) over (
            partition by spans.rule, spans.customer_number
            order by spans.entered_at, spans.category collate "C"
            rows between unbounded preceding and 1 preceding
        ) as reached_at
    from spans
    where spans.is_member

),

islands as (

    select
        reached.*,
        count(*) filter (
            where reached.reached_at is null or reached.reached_at < reached.entered_at
        ) over (
            partition by reached.rule, reached.customer_number
            order by reached.entered_at, reached.category collate "C"
        ) as island
    from reached

),

joined as (

    select
        islands.rule,
        islands.customer_number,
        min(islands.entered_at) as entered_at,
        max(islands.left_at) as left_at
    from islands
    group by islands.rule, islands.customer_number, islands.island

),

stays as (

    select
        customers.customer_id,
        rules.segment,
        rules.rule_version,
        joined.entered_at,
        joined.left_at
    from joined
    inner join customers on joined.customer_number = customers.customer_number
    inner join rules on joined.rule = rules.rule

)

select * from stays
