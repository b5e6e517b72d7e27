# Two commands on a fresh machine with Python >= 3.11:
#   make train   environment, a short training run on built-in data, sample pictures
#   make test    environment, the whole test suite

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

QUICK_START := --dataset procedural --num-examples 400 --image-size 64 --base-filters 16 --spade-filters 48 \
	--discriminator-filters 32 --epochs 4 --decay-epochs 2 --generator-rate 5e-4 --discriminator-rate 5e-4 \
	--perceptual off --sample-every 2

.PHONY: train test test-slow lint clean

train: .venv/installed
	$(BIN)/python -m dagan_tf.train $(QUICK_START)

test: .venv/installed-dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.venv/created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"dagan_tf needs Python >= 3.11. $(PYTHON) is {v[0]}.{v[1]}: name another one, for example make train PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/created setup.py
	$(PIP) --editable .
	touch $@

.venv/installed-dev: .venv/created setup.py
	$(PIP) --editable '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
