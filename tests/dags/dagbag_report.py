"""Write, as JSON, what Airflow's own parser makes of dags/. Run by a test in a process of its own.

python dagbag_report.py DAGS_FOLDER REPORT
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset


def names_in(condition: Any) -> set[str]:
    """Return the names of the assets in a condition, however they are combined."""
    if condition is None:
        return set()
    if isinstance(condition, Asset):
        return {condition.name}
    return set().union(*map(names_in, condition.objects))


def about(dag: Any) -> dict[str, Any]:
    """Return what the tests ask of a Dag."""
    condition = getattr(dag.timetable, "asset_condition", None)
    return {
        "description": dag.description,
        "doc": dag.doc_md,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "starts_on": sorted(names_in(condition)),
        "makes": sorted({asset.name for task in dag.tasks for asset in task.outlets}),
        "tasks": {
            task.task_id: {
                "makes": [asset.name for asset in task.outlets],
                "after": sorted(task.upstream_task_ids),
                "mapped": task.is_mapped,
            }
            for task in dag.tasks
        },
        "alerts": {
            task.task_id: [callback.__name__ for callback in task.on_failure_callback]
            for task in dag.tasks
        },
    }


if __name__ == "__main__":
    bag = DagBag(sys.argv[1])
    heavy = {"pandas", "xgboost", "shap", "great_expectations", "kafka", "dbt"} & set(sys.modules)
    report = {
        "import_errors": bag.import_errors,
        "heavy": sorted(heavy),
        "dags": {dag_id: about(dag) for dag_id, dag in bag.dags.items()},
    }
    Path(sys.argv[2]).write_text(json.dumps(report))
