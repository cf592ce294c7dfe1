# `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
ASIDE := --ignore=tests/bench --ignore=tests/homeassistant --ignore=tests/parler --ignore=tests/parler_hub
TWENTY := tests/e2e/test_turn_processes.py::test_twenty_questions_in_a_row_are_answered_and_memory_stays_flat
TEST_MODELS := whisper-tiny.en qwen2.5-coder-0.5b-instruct-q4_k_m smart-turn-v3.2

.PHONY: help setup mic install-gpu piper parler models demo run page test test-long test-homeassistant test-parler lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with all that Parlour needs (once; then it takes no time)
	@deploy/setup.sh

mic: setup ## real microphones and speakers, too (pyaudio, compiled with portaudio19-dev)
	@deploy/setup.sh mic

models: setup ## fetch the models that this machine takes (MODELS="name name" for others)
	@$(BIN)/python -m hub models pull $(MODELS) || { echo "make models: a model is missing (see above)"; exit 1; }

demo: setup models ## a hub and a satellite on this machine, and one spoken question
	@$(BIN)/python deploy/demo.py || { code=$$?; [ $$code = 130 ] || echo "make demo: the demo failed (see above)"; exit $$code; }

run: mic ## a hub and a satellite with this machine's own microphone and loudspeaker, until Ctrl-C
	@$(BIN)/python -m satellite devices >/dev/null
	@$(MAKE) --no-print-directory models
	@$(BIN)/python deploy/run.py || { code=$$?; [ $$code = 130 ] || echo "make run: it failed (see above)"; exit $$code; }

page: setup models ## a hub on this machine, to talk to in a browser, until Ctrl-C
	@$(BIN)/python -m hub serve || { code=$$?; [ $$code = 130 ] || [ $$code = 0 ] || echo "make page: the hub ended (see above)"; exit $$code; }

install-gpu: setup ## compute on an NVIDIA GPU (compiles llama.cpp with CUDA, half an hour, once; docs/gpu.md)
	@deploy/gpu.sh

parler: setup ## the environment of the voice Parler-TTS, .venv-parler (MODEL=parler-tts-mini-v1: its weights, too; docs/parler.md)
	@deploy/parler.sh
	@[ -z "$(MODEL)" ] || .venv-parler/bin/python -m hub.engines.parler.fetch $(MODEL) || { echo "make parler: the checkpoint is missing (see above)"; exit 1; }

piper: setup ## the environment of the voice Piper, .venv-piper (GPL-3, many languages; docs/engines.md)
	@deploy/piper.sh

lint: setup ## ruff, mypy --strict, import rules
	@$(BIN)/ruff check . || { echo "make lint: ruff check found problems (see above)"; exit 1; }
	@$(BIN)/ruff format --check . || { echo "make lint: run $(BIN)/ruff format"; exit 1; }
	@$(BIN)/mypy || { echo "make lint: mypy found problems (see above)"; exit 1; }
	@$(BIN)/lint-imports || { echo "make lint: an import crosses a border (see above)"; exit 1; }

test: setup lint ## every check, and every test but those of the three targets below
	@$(MAKE) --no-print-directory models MODELS="$(TEST_MODELS)"
	@deploy/test_tools.sh
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ASIDE) -m "not long" || { echo "make test: tests failed (see above)"; exit 1; }

test-long: setup piper ## what takes minutes: hostile peers, killed processes, sound devices, two machines, other projects' servers
	@$(MAKE) --no-print-directory models MODELS="$(TEST_MODELS) en_US-joe-medium"
	@deploy/test_tools.sh
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ASIDE) -m long || { echo "make test-long: tests failed (see above)"; exit 1; }
	@$(BIN)/python -m pytest -q tests/e2e/test_turn_processes.py tests/e2e/test_many_rooms.py tests/e2e/test_kills.py -m "not local" --deselect $(TWENTY) --distant --maxfail 3 || { echo "make test-long: tests of two machines failed (see above)"; exit 1; }
	@$(BIN)/python -m pytest -q tests/e2e/test_turn_processes.py --deselect $(TWENTY) --elsewhere --maxfail 3 || { echo "make test-long: tests with other projects' servers failed (see above)"; exit 1; }

test-homeassistant: setup ## hub and satellite with a real Home Assistant, made in ~/.cache (HOME_ASSISTANT=2026.11.0 for that one, as root)
	@$(MAKE) --no-print-directory models MODELS="$(TEST_MODELS)"
	@deploy/home_assistant.sh >/dev/null || { echo "make test-homeassistant: there is no Home Assistant (see above)"; exit 1; }
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/homeassistant || { echo "make test-homeassistant: tests failed (see above)"; exit 1; }

test-parler: setup ## Parler-TTS with tiny checkpoints, in its own environment, then in hub and satellite
	@deploy/parler.sh --test
	@$(MAKE) --no-print-directory models MODELS="$(TEST_MODELS)"
	@.venv-parler/bin/python -m pytest -q --confcutdir tests/parler tests/parler || { echo "make test-parler: tests failed (see above)"; exit 1; }
	@$(BIN)/python -m pytest -q tests/parler_hub || { echo "make test-parler: tests with hub and satellite failed (see above)"; exit 1; }

bench: setup ## measure what is promised, on an idle machine (ONLY=turn for one part; docs/benchmarks.md)
	@$(MAKE) --no-print-directory models MODELS="$(TEST_MODELS)"
	@parts=$$(ls tests/bench/test_$(ONLY)*.py 2>/dev/null); [ -n "$$parts" ] || { echo "make bench: no part ONLY=$(ONLY); there are:" tests/bench/test_*.py; exit 1; }; \
		$(BIN)/python -m pytest -s --tb=short $$parts || { echo "make bench: a bar was missed, or a part failed (see above)"; exit 1; }

clean: ## remove build results and caches; keeps .venv and models
	@rm -rf build dist demo-output bench-results .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find hub satellite protocol tests deploy -name __pycache__ -type d -prune -exec rm -rf {} +
