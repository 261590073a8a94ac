# One command runs what CI runs: `make check test test-long`. Everything else is listed by `make help`.
.DELETE_ON_ERROR:
.SUFFIXES:

# Tools start each other by name, meson cython for one: so .venv stands first on the path.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Without compiled files every worker and every process that a test starts would compile all modules anew: a third of
# the time. `make clean` removes them.
unexport PYTHONDONTWRITEBYTECODE
PACKAGES := protocol native gateway bench
SINK_MODULES := $(addprefix bench.sink.,header_block open_streams server_session server)
NATIVE_SOURCES := $(shell find native bench/sink -name '*.py[xd]' -o -name '*.[ch]')
TEST_WORKERS = $(shell cores=$$(nproc); echo $$((cores < 5 ? cores + 1 : 6)))
BUILD_DEFINITIONS := pyproject.toml meson.build $(shell find native bench -name meson.build) scripts/setup

.PHONY: help
help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Building ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: .venv/built  ## install what is missing, make .venv, build the native extensions

.venv/environment: $(BUILD_DEFINITIONS)
	@scripts/setup
	@touch $@

# An editable install rebuilds on the first import of any package; here the compiler's words are shown, and it happens once.
.venv/built: .venv/environment $(NATIVE_SOURCES)
	@MESONPY_EDITABLE_VERBOSE=1 python -c 'import protocol'
	@touch $@

# --- Using ------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup  ## send 40,000 to simulators of APNs, FCM and Web Push, kill the gateway three times, reconcile every one
	@pushmill demo

.PHONY: wheel
wheel: setup  ## build a wheel for this machine's Python into dist/
	@python -m pip wheel --quiet --no-deps --no-build-isolation -Cinstall-args=--strip --wheel-dir dist .
	@ls dist/pushmill-*.whl

.PHONY: image
image:  ## build the image with docker, podman or buildah; ARGS are handed to its build
	@scripts/image $(ARGS)

.PHONY: bench
bench: setup  ## measure the session, a long queue, the journal, and encryption, each against its yardstick
	@command -v h2load >/dev/null || scripts/setup bench
	@pushmill bench session
	@pushmill bench queued
	@pushmill bench journal
	@pushmill bench recovery
	@pushmill bench encrypt

# --- Checking ---------------------------------------------------------------------------------------------------------

.PHONY: test
test: setup  ## run all tests but the long ones; ARGS="-k name", or a path, runs what it names, long ones too
# All run side by side, in one worker more than there are cores, as some tests wait; each worker costs some seconds of
# collecting and 160 MB. What is chosen runs in one process, where --pdb and -s work.
	@python -m pytest $(or $(ARGS),-n $(TEST_WORKERS) --dist worksteal)

.PHONY: test-long
test-long: setup  ## run the long tests: demos, promises under faults, benches, the wheel
# Two side by side: they start processes and wait for them. More would take from the promises what their bounds allow for.
	@python -m pytest -m long $(or $(ARGS),-n 2 --dist worksteal)

.PHONY: test-foreign
test-foreign: setup  ## clients and servers of other projects against the simulators and the gateway
	@scripts/setup-foreign
	@python -m pytest -m foreign -v -rs --tb=short $(ARGS)

.PHONY: test-image
test-image: setup  ## build the image and run it, with buildah; IMAGE_ARGUMENTS are handed to the build
	@python -m pytest -v -rs --tb=short -o faulthandler_timeout=600 tests/image $(ARGS)

.PHONY: promises
promises: setup  ## the long forms of the promises under faults; goes on where it stopped, ARGS="--only P2 --minutes 5"
	@python -m bench.faults.promises $(ARGS)

.PHONY: check
check: setup  ## formatting, lint, types, stubs of the extensions, Cython lint, import arrows
	ruff format --check .
	ruff check .
	mypy
	stubtest native $(SINK_MODULES) --mypy-config-file pyproject.toml --allowlist scripts/stubtest-allowlist --ignore-unused-allowlist
	cython-lint native bench/sink
# import-linter reads the tree, which the editable install's finder hides from it.
	MESONPY_EDITABLE_SKIP=$$(printf '%s:' $(CURDIR)/build/cp*) lint-imports
	python -m pytest -q tests/architecture/test_arrows.py

.PHONY: format
format: setup  ## write the formatting that `make check` asks for
	ruff check --fix-only .
	ruff format .

.PHONY: test-native-asan
test-native-asan: setup  ## run the native tests on an AddressSanitizer build
	@scripts/test-native-asan $(ARGS)

.PHONY: prove-bare-machine
prove-bare-machine:  ## as root: make setup and make test in a fresh Debian 12 with only git and make
	@scripts/prove-bare-machine

.PHONY: clean
clean:  ## remove what was built, .venv included
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-output
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
