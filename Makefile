# make demo   watch the product at work (PARTS=n for another number of parts)
# make test   everything that must hold before a commit: style, types, tests

PYTHON ?= python3
VENV ?= .venv
PARTS ?= 20

.PHONY: demo test mosquitto clean

demo: $(VENV)/.demo
	@$(VENV)/bin/edge-agent demo --parts $(PARTS)

test: $(VENV)/.test mosquitto
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	PATH="$$PATH:/usr/sbin" $(VENV)/bin/pytest

# The stamps stand for the packages: they are installed again only when setup.py has changed.
$(VENV)/.demo: setup.py | $(VENV)/bin/pip
	@echo "installing matecheck[demo] into $(VENV) …"
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable ".[demo]"
	@touch $@

$(VENV)/.test: setup.py constraints.txt | $(VENV)/bin/pip
	@echo "installing matecheck[build,dev] into $(VENV) …"
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable ".[build,dev]" --constraint constraints.txt
	@touch $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "matecheck needs Python 3.10 or later: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python cannot make environments here: sudo apt-get install python3-venv" >&2; exit 1; }

# The tests talk to a real broker.
mosquitto:
	@PATH="$$PATH:/usr/sbin" command -v mosquitto > /dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
			echo "installing mosquitto …"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mosquitto > /dev/null; \
		else \
			echo "the tests need mosquitto: sudo apt-get install mosquitto" >&2; exit 1; \
		fi

clean:
	rm -rf $(VENV) demo-output
