{{ config(
    incremental_strategy='delete+insert',
    unique_key=['currency', 'valid_from'],
    indexes=[
        {'columns': ['currency', 'valid_from'], 'unique': true},
        {'columns': ['build_id']},
    ],
) }}

-- One row per currency and UTC midnight from which on a rate into the shop's currency is valid, with the
-- build that found it changed. A rate that was taken away leaves its span, without a rate.
with rates as (

    select
        {{ currency_code('rates.currency') }} as currency,
        rates.valid_from::timestamp at time zone 'UTC' as valid_from,
        rates.rate
    from {{ ref('exchange_rates') }} as rates
    where
        {{ currency_code('rates.to_currency') }} = {{ shop_currency() }}
        and {{ currency_code('rates.currency') }} <> {{ shop_currency() }}
    union all
    select
        {{ shop_currency() }} as currency,
        '-infinity'::timestamptz as valid_from,
        1 as rate

),

compared as (

    {% if is_incremental() %}
    select
        coalesce(rates.currency, known.currency) as currency,
        coalesce(rates.valid_from, known.valid_from) as valid_from,
        rates.rate,
        rates.currency is not null as is_listed,
        case
            when coalesce(rates.rate, 0) = coalesce(known.rate, 0) and known.currency is not null
                then known.build_id
            else {{ var('build_id') }}::bigint
        end as build_id
    from rates
    full outer join {{ this }} as known
        on rates.currency = known.currency and rates.valid_from = known.valid_from
    {% else %}
    select
        rates.currency,
        rates.valid_from,
        rates.rate,
        true as is_listed,
        {{ var('build_id') }}::bigint as build_id
    from rates
    {% endif %}

),

spans as (

    select
        compared.currency,
        compared.valid_from,
        coalesce(
            min(compared.valid_from) filter (where compared.is_listed) over (
                partition by compared.currency
                order by compared.valid_from desc
                rows between unbounded preceding and 1 preceding
            ),
            'infinity'
        ) as valid_until,
        compared.rate,
        compared.build_id
    from compared

)

select * from spans
