"""Explain rows by woodelf, in an environment of its own.

Reads its task as JSON from stdin: model and rows, two files, and a file for the SHAP values. Prints
the seconds, the second time that it explains the rows.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
import xgboost as xgb
from woodelf import WoodelfExplainer


def main() -> None:
    """Explain the rows twice."""
    task = json.load(sys.stdin)
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(task["model"])
    values = np.load(task["rows"])
    frame = pd.DataFrame(values, columns=booster.feature_names)
    explainer = WoodelfExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.shap_values(frame, verbose=False)
    started = time.perf_counter()
    found = explainer.shap_values(frame, verbose=False)
    seconds = time.perf_counter() - started
    np.save(task["found"], np.asarray(found, dtype=np.float64))
    json.dump({"seconds": seconds}, sys.stdout)


main()
