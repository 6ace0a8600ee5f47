-- What the model learnt from, as distributions (ml/drift.py); null: trained before that was kept.
alter table ml.models add column reference jsonb;

-- Why a score is a base rate and not the model's own; null: it is the model's.
alter table ml.scores add column fallback text;

-- One row per model of a score set: how far features and scores have moved since it was trained, and whether
-- what happened was what it had predicted. measures: ml.drift.Drift and LabelDrift, no customer's data.
create table ml.drift_verdicts (
    score_set bigint not null references ml.score_sets on delete cascade,
    model_id text not null references ml.models,
    as_of timestamptz not null,
    verdict text not null
        check (verdict in ('steady', 'moved', 'shifted', 'too few rows', 'no reference')),
    measures jsonb not null,
    primary key (score_set, model_id)
);

-- One row per training that drift asked for: at most one per model and newest labelled snapshot.
create table ml.trainings_due (
    name text not null check (name in ('purchase', 'churn')),
    snapshot timestamptz not null,
    score_set bigint not null references ml.score_sets on delete cascade,
    primary key (name, snapshot)
);
