{{ config(
    pre_hook="{{ forget_signed_in_devices() }}",
    indexes=[
        {'columns': ['anonymous_id', 'signed_in_at', 'user_id'], 'unique': true},
        {'columns': ['user_id']},
        {'columns': ['build_id']},
    ],
) }}

-- One row per device and turn: from `signed_in_at` on it is this user's, until the next row of the device.
-- Of several users at one instant the one with the greatest id stays.
with sign_ins as (

    {{ sign_ins() }}

),

compared as (

    select
        sign_ins.anonymous_id,
        sign_ins.user_id,
        sign_ins.occurred_at,
        lag(sign_ins.user_id) over (
            partition by sign_ins.anonymous_id
            order by sign_ins.occurred_at, sign_ins.user_id collate "C"
        ) as user_before
    from sign_ins

),

device_users as (

    select
        compared.anonymous_id,
        compared.user_id,
        compared.occurred_at as signed_in_at,
        {{ var('build_id') }}::bigint as build_id
    from compared
    where compared.user_before is distinct from compared.user_id

)

select * from device_users
