-- However the currencies are written; a rate that is nothing or less would make orders vanish.
with rates as (

    select
        {{ currency_code('rates.currency') }} as currency,
        {{ currency_code('rates.to_currency') }} as to_currency,
        rates.valid_from,
        rates.rate
    from {{ ref('exchange_rates') }} as rates

)

select
    rates.currency,
    rates.to_currency,
    rates.valid_from,
    count(*) as rate_count
from rates
group by rates.currency, rates.to_currency, rates.valid_from
having
    count(*) <> 1
    or rates.currency is null
    or rates.to_currency is null
    or rates.valid_from is null
    or coalesce(min(rates.rate), 0) <= 0
