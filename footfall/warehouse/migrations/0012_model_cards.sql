-- The model card (ml/model_card.py), made with the audit report. Null: the model is older than cards.
alter table ml.models add column card jsonb;
