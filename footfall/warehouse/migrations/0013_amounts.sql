-- A model of a label like value predicts an amount, in the shop's currency, and no probability: a score has one of the two.
alter table ml.scores add column amount double precision check (amount >= 0);
alter table ml.scores alter column probability drop not null;
alter table ml.scores add constraint scores_one_prediction check (num_nonnulls(probability, amount) = 1);

-- Drift may ask for the training of any label's model.
alter table ml.trainings_due drop constraint trainings_due_name_check;
alter table ml.trainings_due add constraint trainings_due_name_check check (name ~ '^[a-z][a-z0-9_]{0,40}$');
