# Everything runs from .venv, which `make setup` makes from the lock; every other target does so first.
PYTHON ?=
BIN := .venv/bin
ARGS ?=
export PYTHON
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

.PHONY: setup lock up down status reset check features pictures test test-crash test-arrivals fuzz demo bench docs

setup: .venv/.complete

.venv/.complete: requirements.txt pyproject.toml bootstrap.py
	@python3 bootstrap.py

lock: setup  ## compile requirements.in to requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 \
	    --overrides overrides.txt --output-file requirements.txt requirements.in
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 \
	    --overrides overrides.txt --constraint requirements.txt \
	    $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.txt) \
	    --output-file docker/requirements.txt docker/requirements.in

up: setup
	$(BIN)/footfall up $(ARGS)

down: setup
	$(BIN)/footfall down

status: setup
	$(BIN)/footfall status $(ARGS)

reset: setup
	$(BIN)/footfall reset --yes

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=plugins $(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar dbt_project
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/dbt parse --quiet --project-dir dbt_project --profiles-dir dbt_project

features: setup  ## write what is said of the features: docs/features.md and dbt's description
	$(BIN)/python -m footfall.warehouse.feature_pages

CHROMIUM := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
BROWSER := $(if $(CHROMIUM),,-m "not browser")

test: setup
	$(if $(CHROMIUM),,@echo 'no chromium on PATH: the tests of the report in a browser are left out; they run once it is there (Debian: apt-get install chromium)')
	$(BIN)/pytest -n 2 --dist loadfile $(BROWSER) $(ARGS)

pictures: setup  ## take docs/pictures anew, with chromium
	WRITE_PICTURES=1 $(BIN)/pytest -q tests/ml/test_report_in_a_browser.py -k looks_as

fuzz: setup  ## the decoder of events; ARGS=600 is ten minutes
	$(BIN)/python -m tests.events.fuzz_decoder $(ARGS)

test-crash: setup  ## the crash and model tests at size; CRASH_SEED chooses other moments
	CRASH_RECORDS=200000 CRASH_KILLS=50 CRASH_EXAMPLES=100 CRASH_STEPS=40 \
	SOAK_READS=200000 SOAK_PUBLICATIONS=100 SOAK_KILLS=25 \
	    $(BIN)/pytest -rP --timeout 3600 tests/ingest/test_crashes.py tests/ingest/test_model.py \
	    tests/publish/test_soak.py $(ARGS)

test-arrivals: setup  ## thirty random histories, their increments against full builds; another thirty each time
	ARRIVAL_EXAMPLES=30 $(BIN)/pytest --timeout 3600 tests/warehouse/test_incremental_is_full.py $(ARGS)

demo: setup
	$(BIN)/python -m footfall.demo

bench: setup
	$(BIN)/python -m bench $(ARGS)

docs: up  ## write the dbt docs and serve them, until Ctrl-C; ARGS="--port 8080"
	$(BIN)/footfall docs --serve $(ARGS)
