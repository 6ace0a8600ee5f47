"""The map: what each Dag makes, in the order of the path.

    load_events ▶ RAW_EVENTS ▶ build_warehouse ▶ FEATURES ▶ score_customers ▶ SCORES
                                            train_models ▶ MODELS ▲    ▼         ▼
                                                  ▲───────────────── DRIFT       ▼
                                                 PUBLICATION ◀ publish_scores ◀──┘

DRIFT goes back: models that have shifted are trained anew, out of turn.

An event of an asset carries in its ``extra`` what was made: loads, ``as_of``, models, score set,
version.
"""

from airflow.sdk import Asset

RAW_EVENTS = Asset("raw_events", uri="footfall://postgres/raw/events")
FEATURES = Asset("features", uri="footfall://postgres/analytics/customer_features")
MODELS = Asset("models", uri="footfall://postgres/ml/models")
SCORES = Asset("scores", uri="footfall://postgres/ml/scores")
DRIFT = Asset("drift", uri="footfall://postgres/ml/trainings_due")
PUBLICATION = Asset("publication", uri="footfall://redis/current")

PATH = (RAW_EVENTS, FEATURES, MODELS, SCORES, PUBLICATION)
