-- A customer whose scores no rule covers would be lost from customer_rfm; two rules would double it.
with scores as (

    select
        r.score as r_score,
        f.score as f_score,
        m.score as m_score
    from generate_series(1, 5) as r (score)
    cross join generate_series(1, 5) as f (score)
    cross join generate_series(1, 5) as m (score)

),

segments as (

    select * from {{ ref('segments') }}

)

select
    scores.r_score,
    scores.f_score,
    scores.m_score,
    count(segments.segment) as segment_count
from scores
left join segments
    on
        scores.r_score between segments.r_from and segments.r_to
        and scores.f_score between segments.f_from and segments.f_to
        and scores.m_score between segments.m_from and segments.m_to
group by scores.r_score, scores.f_score, scores.m_score
having count(segments.segment) <> 1
