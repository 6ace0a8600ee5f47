-- One row per UTC day and kind of event, of the newest whole days: how many events were stored, and how many
-- the same weekdays before lead one to expect. A kind is judged once it has been seen for some weeks.
{% set judged_days = 7 %}
{% set compared_weeks = 8 %}
{% set fewest_weeks = 3 %}
{% set sigmas = 3 %}
with events as (

    select * from {{ source('raw', 'events') }}

),

loads as (

    select * from {{ source('raw', 'loads') }}

),

-- the day that is not over yet
newest as (

    select (max(loads.newest_event_at) at time zone 'UTC')::date as newest_on
    from loads

),

counted as (

    select
        (events.occurred_at at time zone 'UTC')::date as event_on,
        events.event_name,
        count(*) as event_count
    from events
    where
        events.occurred_at >= (
            select
                (newest.newest_on - {{ judged_days + 7 * compared_weeks }})::timestamp
                at time zone 'UTC'
            from newest
        )
        and events.occurred_at < (
            select newest.newest_on::timestamp at time zone 'UTC'
            from newest
        )
    group by (events.occurred_at at time zone 'UTC')::date, events.event_name

),

kinds as (

    select
        counted.event_name,
        min(counted.event_on) as first_on
    from counted
    group by counted.event_name

),

-- a day without any event of a kind is a day, too
judged as (

    select
        kinds.event_name,
        kinds.first_on,
        newest.newest_on - ago.days_ago - 1 as event_on,
        ago.days_ago
    from kinds
    cross join newest
    cross join generate_series(0, {{ judged_days - 1 }}) as ago (days_ago)

),

compared as (

    select
        judged.event_name,
        judged.event_on,
        count(*) as week_count,
        avg(coalesce(counted.event_count, 0)) as expected_count,
        coalesce(stddev_samp(coalesce(counted.event_count, 0)), 0) as deviation
    from judged
    cross join generate_series(1, {{ compared_weeks }}) as weeks (weeks_ago)
    left join counted
        on
            judged.event_name = counted.event_name
            and judged.event_on - 7 * weeks.weeks_ago = counted.event_on
    where judged.event_on - 7 * weeks.weeks_ago >= judged.first_on
    group by judged.event_name, judged.event_on

),

-- counts scatter by their square root, even where nothing changes
expected as (

    select
        judged.event_on,
        judged.event_name,
        judged.days_ago,
        coalesce(counted.event_count, 0)::integer as event_count,
        coalesce(compared.week_count, 0)::integer as week_count,
        compared.expected_count,
        {{ sigmas }} * greatest(
            compared.deviation, sqrt(greatest(compared.expected_count, 1))
        ) as tolerance
    from judged
    left join compared
        on judged.event_name = compared.event_name and judged.event_on = compared.event_on
    left join counted
        on judged.event_name = counted.event_name and judged.event_on = counted.event_on

),

volumes as (

    select
        expected.event_on,
        expected.event_name,
        expected.days_ago,
        expected.event_count,
        expected.week_count,
        case
            when expected.week_count > 0
                then greatest(ceil(expected.expected_count - expected.tolerance), 0)::integer
        end as expected_from,
        floor(expected.expected_count + expected.tolerance)::integer as expected_to,
        coalesce(
            expected.week_count >= {{ fewest_weeks }}
            and abs(expected.event_count - expected.expected_count) > expected.tolerance,
            false
        ) as is_unusual
    from expected

)

select * from volumes
