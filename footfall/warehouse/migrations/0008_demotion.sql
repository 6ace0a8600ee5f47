-- When a model was demoted. Null: it was not, or a person has promoted it again since. Such a model is
-- no successor, and is promoted by nobody but a person.
alter table ml.models add column demoted_at timestamptz;
