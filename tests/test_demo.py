"""The demo refuses what it could not finish; what it does is tested end to end."""

import os
import subprocess
import sys
from pathlib import Path


def test_where_a_person_has_to_approve_models_the_demo_says_so_and_starts_nothing(tmp_path: Path):
    home = tmp_path / "home"
    told = {"FOOTFALL_HOME": str(home), "FOOTFALL_PROMOTION_APPROVAL": "required"}
    done = subprocess.run(
        [sys.executable, "-m", "footfall.demo"],
        env=os.environ | told,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "run: FOOTFALL_PROMOTION_APPROVAL=none make demo" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not home.exists()
