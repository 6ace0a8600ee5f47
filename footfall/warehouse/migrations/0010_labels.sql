-- A label is a file in ml/labels, and a model has a label's name: which names there are stands there alone.
alter table ml.models drop constraint models_name_check;
alter table ml.models add constraint models_name_check check (name ~ '^[a-z][a-z0-9_]{0,40}$');
