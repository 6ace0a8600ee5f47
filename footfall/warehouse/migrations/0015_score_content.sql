-- What a score adds to the hash of a customer's record, hashed once, when it is stored. A percentile counts by whole
-- points: who gained a tenth because somebody else ordered has the same record. The same as what was hashed at each
-- publication before, so serving.published_records stays comparable.
alter table ml.scores add column content bigint generated always as (
    hashtextextended(
        model_id || coalesce(fallback, ''),
        hashfloat8extended(
            coalesce(probability, amount), jsonb_hash_extended(reasons, floor(percentile)::bigint)
        )
    )
) stored;
