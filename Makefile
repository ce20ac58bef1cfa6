# poslab: build, test, quickstart. `make help` lists the targets.

ARCH     ?= native
OPT      ?= -O3
CFLAGS   ?= -g
PREFIX   ?= /usr/local
BUILD    ?= build
JOBS     ?= $(shell nproc 2>/dev/null || echo 1)
WARN      = -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wwrite-strings \
            -Wno-psabi # vectors are passed between our own functions only
# Contraction of a*b+c is not -ffast-math: it only removes a rounding. No code reads errno after sqrt or exp.
CHECKED   = -std=c11 -D_GNU_SOURCE $(OPT) -march=$(ARCH) -ffp-contract=fast -fno-math-errno -fopenmp-simd \
            $(WARN) $(CFLAGS) $(SANITIZE) -iquote src $(MPI_FLAGS)
ALL_CFLAGS = $(CHECKED) -MMD -MP
# bf16 by oneDNN, if it is installed and computes in the calling thread: sequential (1) or by OpenMP (2).
ONEDNN   := $(or $(ONEDNN),$(shell printf '\043include <dnnl.h>\n\043if DNNL_CPU_RUNTIME > 2\n\043error\n\043endif\n' | \
              $(CC) $(CFLAGS) -E - >/dev/null 2>&1 && echo 1 || echo 0))
CHECKED  += -DPOSLAB_ONEDNN=$(ONEDNN)
LDLIBS    = $(if $(filter 1,$(ONEDNN)),-ldnnl -lgomp) -lopenblas -lcjson -lsqlite3 -lcrypto -lpcre2-8 -lutf8proc -lm $(MPI_LIBS)
ALL_LDFLAGS = $(LDFLAGS) $(SANITIZE)
MAKEFLAGS += --no-print-directory -r

# MPI, if pkg-config finds Open MPI or MPICH; MPI=0 disables it, MPI=1 requires it, MPI_NAME=mpich (or ompi-c) selects
# one.
MPI_KNOWN := $(firstword $(foreach m,$(or $(MPI_NAME),ompi-c mpich),$(shell pkg-config --exists $m 2>/dev/null && echo $m)))
MPI       ?= $(if $(MPI_NAME)$(MPI_KNOWN),1,0)
ifneq ($(MPI),0)
$(if $(MPI_KNOWN),,$(error pkg-config finds no $(or $(MPI_NAME),ompi-c or mpich) (MPI=$(MPI)): \
    install libopenmpi-dev or libmpich-dev, and pkg-config))
MPI_FLAGS := -DPOSLAB_MPI $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(MPI_KNOWN)))
MPI_LIBS  := $(shell pkg-config --libs $(MPI_KNOWN))
endif

BUILD_PACKAGES = gcc libc6-dev libopenblas-dev libcjson-dev libsqlite3-dev libssl-dev libpcre2-dev libutf8proc-dev
RUN_PACKAGES   = gnuplot-nox perl-doc
TEST_PACKAGES  = libdnnl-dev libcmocka-dev sqlite3 clang clang-format clang-tidy cppcheck valgrind libc6-dbg

SOURCES  := $(sort $(wildcard src/*/*.c))
METHODS  := $(sort $(wildcard methods/*.c))
TASKS    := $(sort $(shell grep -lsE '^const Task [a-z0-9_]+ = ' src/tasks/*.c))
# Methods in a folder of one's own (methods/README.md). Their objects have a folder of their own, too.
METHODS_DIR ?=
ifneq ($(METHODS_DIR),)
$(if $(word 2,$(METHODS_DIR)),$(error METHODS_DIR=$(METHODS_DIR): the path of the folder must not have blanks))
override METHODS_DIR := $(abspath $(METHODS_DIR))
$(if $(wildcard $(METHODS_DIR)/.),,$(error METHODS_DIR=$(METHODS_DIR): there is no such folder))
OWN      := $(sort $(wildcard $(METHODS_DIR)/*.c))
TWICE    := $(filter $(notdir $(METHODS)),$(notdir $(OWN)))
$(if $(TWICE),$(error $(METHODS_DIR)/$(firstword $(TWICE)): methods/ has a method of this name; rename the file and its .name))
endif
ALL_METHODS := $(sort $(basename $(notdir $(METHODS) $(OWN))))
GENERATED = registry tasks page loader completions
OBJECTS   = $(SOURCES:src/%.c=$(BUILD)/src/%.o) $(METHODS:methods/%.c=$(BUILD)/methods/%.o) \
            $(OWN:$(METHODS_DIR)/%.c=$(BUILD)/own/%.o) $(GENERATED:%=$(BUILD)/%.o)
LIBRARY   = $(filter-out $(BUILD)/src/cli/main.o,$(OBJECTS))
# Tests and their helpers, in all folders of tests/; fuzz targets and shims have their own rules.
TESTED   := $(filter-out tests/fuzz/% %/shim.c,$(wildcard tests/*/*.c))
TESTS    := $(filter test_%,$(notdir $(basename $(TESTED))))
HELPERS  := $(patsubst %,$(BUILD)/tests/%.o,$(filter-out test_%,$(notdir $(basename $(TESTED)))))
TEST_DIRS := $(sort $(patsubst %/,%,$(dir $(TESTED))))
script    = $(or $(wildcard tests/*/$1.sh),$(error tests/ has no $1.sh))
vpath %.c $(TEST_DIRS)
PROGRAM   = $(if $(filter build,$(BUILD)),poslab,$(BUILD)/poslab)
REVISION := $(shell [ -e .git ] && git -c safe.directory='*' describe --always --dirty 2>/dev/null || cat .revision 2>/dev/null || echo unknown)
ifneq ($(OWN)$(shell [ -e .git ] && git -c safe.directory='*' status --porcelain -- src methods ':!*.md' 2>&1 || echo unknown),)
REVISION := $(REVISION).$(shell find src methods $(METHODS_DIR) -type f ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -c1-8)
endif
# The sources that determine training besides the methods' files. Those of experiment/ act through the config, which
# is in a run's key.
AROUND    = experiment store run slurm analysis report cli
SHARED   := $(filter-out $(AROUND:%=src/%/%),$(wildcard src/*/*.[ch]))
SHARED   := $(shell cat $(sort $(SHARED)) | sha256sum | cut -c1-12)

SHORT     = $(if $(V),,@echo '  $@' &&) # V=1 shows whole commands

# Other builds, each in its own folder. Valgrind 3.19 does not support AVX-512, so its build is not for the native CPU.
PARALLEL  = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))
# Sanitized code takes twice as long to compile at -O2 and with all of -g.
ASAN      = MPI=0 BUILD=$(BUILD)/asan OPT=-O1 CFLAGS="$(CFLAGS) -g1 -Werror" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"
VALGRIND  = MPI=0 BUILD=$(BUILD)/valgrind OPT=-O2 $(if $(filter x86_64,$(shell uname -m)),ARCH=x86-64-v2)
COVERAGE  = MPI=0 BUILD=$(BUILD)/coverage OPT=-O1 SANITIZE="--coverage -fprofile-update=atomic"

all: $(PROGRAM) ## build ./poslab (the default)

$(PROGRAM): $(OBJECTS)
	$(SHORT) $(CC) $(ALL_LDFLAGS) -o $@ $(OBJECTS) $(LDLIBS)

# Half of the sources, in which no time is spent, are compiled in two thirds of the time.
$(AROUND:%=$(BUILD)/src/%/%.o): private OPT = -O1
$(BUILD)/src/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SHORT) $(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/methods/%.o: methods/%.c $(BUILD)/flags | $(BUILD)/methods
	$(SHORT) $(CC) $(ALL_CFLAGS) -c -o $@ $<
ifneq ($(OWN),)
$(BUILD)/own/%.o: $(METHODS_DIR)/%.c $(BUILD)/flags $(BUILD)/methods_dir | $(BUILD)/own
	$(SHORT) $(CC) $(ALL_CFLAGS) -c -o $@ $<
endif
$(BUILD)/tests/%.o: %.c $(BUILD)/flags | $(BUILD)/tests
	$(SHORT) $(CC) $(ALL_CFLAGS) $(TEST_DIRS:%=-I%) -c -o $@ $<
$(GENERATED:%=$(BUILD)/%.o): $(BUILD)/%.o: $(BUILD)/%.c $(BUILD)/flags
	$(SHORT) $(CC) $(ALL_CFLAGS) -c -o $@ $<

# A source that has moved: dependencies of an older build name its old path; this rule makes its objects be built again.
tests/%.c tests/%.h: ;

# Archives, so that a test links only the objects that it uses, and a linker that takes a third of the default's time.
LINKER   := $(addprefix -fuse-ld=,$(firstword $(foreach l,lld gold,$(if $(shell command -v ld.$l),$l))))
$(BUILD)/libposlab.a: $(LIBRARY)
	@rm -f $@
	@ar rcs $@ $(LIBRARY)
$(BUILD)/helpers.a: $(HELPERS)
	@rm -f $@
	@ar rcs $@ $(HELPERS)
$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(BUILD)/helpers.a $(BUILD)/libposlab.a
	$(SHORT) $(CC) $(ALL_LDFLAGS) $(LINKER) -o $@ $^ -lcmocka $(LDLIBS)
.SECONDARY:

# Files that are rewritten only if their contents change, so that their dependents are rebuilt only then.
# $(call keep,COMMAND): the output of a shell command becomes the target.
keep = @{ $1; } >$@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# The flags: another compiler, ARCH or OPT recompiles everything.
$(BUILD)/flags: FORCE | $(BUILD)/src
	$(call keep,echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LDLIBS)')

$(BUILD)/methods_dir: FORCE | $(BUILD)/src
	$(call keep,echo '$(METHODS_DIR)')

# The registry: one line per method, and the hash of its file. A file's name is the method's name and part of C names.
$(BUILD)/registry.c: FORCE | $(BUILD)/src
	@for f in $(METHODS) $(OWN); do m=$$(basename $$f .c); echo $$m | grep -qxE '[a-z][a-z0-9_]*' || \
	    { echo "$$f: a method's file has a name of small letters, digits and _ that begins with a letter;" \
	        "rename it, or move it out of $$(dirname $$f)/" >&2; exit 2; }; \
	    grep -qE "^ *\.name = \"$$m\"," $$f || { echo "$$f: the method's name must be the file's:" \
	        "write .name = \"$$m\", on a line of its own, or rename the file" >&2; exit 2; }; done
	$(call keep,\
	   echo '#include "position/encoding.h"'; \
	   for m in $(ALL_METHODS); do echo "extern const PositionMethod method_$$m;"; done; \
	   echo 'const PositionMethod *const encoding_methods[] = {'; \
	   for m in $(ALL_METHODS); do echo "    &method_$$m$(comma)"; done; \
	   echo '};'; \
	   echo 'const char *const encoding_method_hashes[] = {'; \
	   sha256sum $(foreach m,$(ALL_METHODS),$(or $(wildcard methods/$m.c),$(METHODS_DIR)/$m.c)) | \
	       sed 's/^\\*\(.\{12\}\).*/    "\1"$(comma)/'; \
	   echo '};'; \
	   echo 'const int encoding_method_count = $(words $(ALL_METHODS));'; \
	   echo 'const char *const encoding_common[] = {$(foreach m,$(COMMON),$(if $(wildcard methods/$m.c),"$m"$(comma))) 0};')
# The methods that `poslab init` compares, as far as they are there.
COMMON = sinusoidal rotary t5 alibi
comma = ,

# The registry of tasks: the files of src/tasks/ that define a Task, which is named after its file.
$(BUILD)/tasks.c: FORCE | $(BUILD)/src
	@for t in $(basename $(notdir $(TASKS))); do \
	    grep -qE "^const Task $${t}_task = " src/tasks/$$t.c && grep -qE "^ *\.name = \"$$t\"," src/tasks/$$t.c || \
	    { echo "src/tasks/$$t.c: a task is named after its file: write \`const Task $${t}_task = {\` and .name = \"$$t\"," \
	        "or rename the file" >&2; exit 2; }; done
	$(call keep,\
	   echo '#include "tasks/task.h"'; \
	   for t in $(basename $(notdir $(TASKS))); do echo "extern const Task $${t}_task;"; done; \
	   echo 'const Task *const task_list[] = {'; \
	   for t in $(basename $(notdir $(TASKS))); do echo "    &$${t}_task$(comma)"; done; \
	   echo '};'; \
	   echo 'const int task_count = $(words $(TASKS));')

# Files that the program holds as strings. $(call embed,NAME,FILE,BEGINNING): one line of C for each line of the file.
embed = awk -v name=$1 'BEGIN { printf "const char %s[] = \"$3\"", name } \
    { gsub(/\\/, "&&"); gsub(/"/, "\\\\&"); printf "\n    \"%s\\n\"", $$0 } END { print ";" }' $2
$(BUILD)/page.c: src/report/page.css src/report/page.js Makefile | $(BUILD)/src
	$(call keep,echo '#include "report/page.h"'; \
	    $(call embed,page_style,src/report/page.css,\\n); $(call embed,page_script,src/report/page.js,\\n))
$(BUILD)/loader.c: src/cli/loader.py.in Makefile | $(BUILD)/src
	$(call keep,echo '#include "cli/arguments.h"'; $(call embed,cmd_export_loader,src/cli/loader.py.in))
$(BUILD)/completions.c: $(addprefix src/cli/completion.,bash zsh fish) Makefile | $(BUILD)/src
	$(call keep,echo '#include "cli/arguments.h"'; \
	    $(call embed,completion_bash,src/cli/completion.bash); $(call embed,completion_zsh,src/cli/completion.zsh); \
	    $(call embed,completion_fish,src/cli/completion.fish))

# The revision and the hash of the shared sources are defined only for the file that returns them, so that a commit
# recompiles little.
REVISED   = $(BUILD)/src/sys/version.o
$(BUILD)/revision: FORCE | $(BUILD)/src
	$(call keep,echo '$(REVISION) $(SHARED)')
$(REVISED): $(BUILD)/revision
$(REVISED): private ALL_CFLAGS += -DPOSLAB_REVISION='"$(REVISION)"' -DPOSLAB_SHARED='"$(SHARED)"'

$(BUILD)/src $(BUILD)/methods $(BUILD)/own $(BUILD)/tests:
	@mkdir -p $@

# --- setting up ---

setup: ## install the packages needed to build and run
	@.ci/install $(BUILD_PACKAGES) $(RUN_PACKAGES)

test-setup: setup ## also install the packages that the tests need
	@.ci/install $(TEST_PACKAGES)

# The default corpus: the manuals of perl-doc as text, complete or not at all. It is not changed when the package is
# upgraded, so that experiments can be resumed; `rm -r data` and `make data` prepare it again.
data: data/perl ## prepare the default corpus in data/perl
	@printf 'data/perl: %s documents, %s bytes\n' "$$(ls data/perl | wc -l)" "$$(cat data/perl/*.txt | wc -c)"
data/perl:
	@set -e; rm -rf $@.new; mkdir -p $@.new; \
	pods=$$({ dpkg -L perl-doc || ls /usr/share/perl*/pod/*.pod; } 2>/dev/null | grep '\.pod$$' | grep -v 'delta[^/]*$$') || \
	    { echo "poslab: no manuals of perl-doc here; 'make setup' installs them" >&2; exit 1; }; \
	for pod in $$pods; do cp "$$pod" "$@.new/$$(basename "$$pod" .pod).txt"; done; \
	chmod 644 $@.new/*.txt; mv $@.new $@

# A corpus of words: the essays of Debian's package `anarchism`, political prose in English (README.md), as one document
# each, complete or not at all. Like the default corpus, it is not changed when the package is upgraded.
data-words: data/words ## prepare a corpus of words in data/words: the essays of Debian's package anarchism
	@printf 'data/words: %s documents, %s bytes\n' "$$(ls data/words | wc -l)" "$$(cat data/words/*.txt | wc -c)"
data/words:
	@.ci/install anarchism
	@set -e; rm -rf $@.new; mkdir -p $@.new; \
	pages=$$(dpkg -L anarchism | grep '/html/.*\.html$$') || \
	    { echo "poslab: the package anarchism has no pages here; it is Debian's" >&2; exit 1; }; \
	for page in $$pages; do perl results/words/prepare.pl "$$page" >"$@.new/$$(basename "$$page" .html).txt"; done; \
	mv $@.new $@

quickstart: setup ## install, build, run configs/quickstart.json, print its table and draw its figure
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@$(MAKE) data
	./poslab run configs/quickstart.json -j $(JOBS)
	./poslab table results/quickstart.db
	./poslab plot results/quickstart.db --format svg -o plots/quickstart.svg
	./poslab plot results/quickstart.db --format png -o plots/quickstart.png
	@echo "Figure:        plots/quickstart.svg"
	@echo "Report:        ./poslab report results/quickstart.db"
	@echo "Your own text: ./poslab init my.json --files 'PATTERN', then ./poslab run my.json"

# The paper's curves on this machine (results/reproduction/README.md). Rerun it to resume. Its output in
# results/reproduction is committed.
REPRODUCTION = reproduce-lr reproduce reproduce-buckets reproduce-slopes reproduce-budget
reproduce: setup ## train and evaluate configs/reproduce*.json, then tables, figures and report in results/reproduction
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@$(MAKE) data
	@set -e; for name in $(REPRODUCTION); do (set -x; ./poslab run configs/$$name.json -j $(JOBS)); done
	./poslab bench configs/reproduce.json --lengths 64,128,256,512 --methods sinusoidal,rotary,t5,alibi,none --rounds 25 --db results/reproduce.db
	@$(MAKE) reproduction

reproduction: $(PROGRAM) ## only the tables, figures and report, from results/reproduce*.db
	@results/reproduction/write.sh results results/reproduction

# Accuracy on tasks (results/tasks/README.md), about two hours on one core. Its output in results/tasks is committed.
TASK_CONFIGS = addition addition-longer multiplication sort sort-repeated copy mqar
tasks-reproduce: $(PROGRAM) ## train and evaluate configs/tasks-*.json, then tables, figures and verdicts in results/tasks
	@set -e; for name in $(TASK_CONFIGS); do (set -x; ./poslab run configs/tasks-$$name.json -j $(JOBS)); done
	@results/tasks/write.sh results results/tasks

# Training that changes as it goes (results/training/README.md), about half an hour on one core. Its output in
# results/training is committed.
TRAINING_CONFIGS = staged continued cache growth
training-reproduce: setup ## train and evaluate configs/training-*.json, then tables, figures and verdicts in results/training
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@$(MAKE) data
	@set -e; for name in $(TRAINING_CONFIGS); do (set -x; ./poslab run configs/training-$$name.json -j $(JOBS)); done
	@results/training/write.sh results results/training

# The paper's curves on words (results/words/README.md), about an hour on one core. Its output in results/words is committed.
words-reproduce: setup ## train and evaluate configs/words.json, then tables, figures and verdicts in results/words
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@$(MAKE) data-words
	./poslab run configs/words.json -j $(JOBS)
	@results/words/write.sh results results/words

# All methods, trained at one length (results/zoo.db; about 20 minutes on two cores). ZOO: more options for `run`. The
# run folders are also in results/zoo; they are not committed.
ZOO      ?=
zoo: setup ## train and evaluate configs/zoo.json, all methods, then tables and figure in results/zoo
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@$(MAKE) data
	./poslab run configs/zoo.json -j $(JOBS) $(ZOO)
	./poslab table results/zoo.db --format csv >results/zoo/zoo.csv.new
	@mv results/zoo/zoo.csv.new results/zoo/zoo.csv
	@echo 'Written by `make zoo` from configs/zoo.json; the same in more columns: zoo.csv, drawn: zoo.svg.' >results/zoo/zoo.md.new
	@echo >>results/zoo/zoo.md.new
	./poslab table results/zoo.db --format md >>results/zoo/zoo.md.new
	@mv results/zoo/zoo.md.new results/zoo/zoo.md
	./poslab plot results/zoo.db -o results/zoo/zoo.svg
	@rm -f results/zoo/zoo.dat # the same numbers as in the tables

# --- testing ---

build-tests: $(PROGRAM) $(TESTS:%=$(BUILD)/tests/%)
.PHONY: build-tests

# Three commands (tests/README.md): check while working, test before every published commit, test-all occasionally.
# LONG tests take minutes and are run in a plain build; they are started first, so that they do not run alone at the
# end. KERNELS depend on the optimised code of the compiler, so they also run in the plain build.
LONG      = test_methods test_laws test_attention
KERNELS   = $(filter test_gemm test_linear test_golden% test_equal test_dropout test_optimizer,$(TESTS))
# SLOW programs are several times slower with sanitizers, so `make test` runs them, and LONG ones, in the plain build
# only. It also leaves the tests of the linter to test-all.
SLOW      = test_examples test_escape test_golden_tasks
SCRIPTS   = $(wildcard tests/*/test_*.sh)
run_tests = tests/tools/run.sh
programs  = $(patsubst %,$1/tests/%,$2)
with      = "POSLAB=$(abspath $(if $(filter build,$1),.,$1)/$(or $3,poslab)) bash $(call script,$2)"
QUICK     = layers memory names format links map lengths modes

T         =
CHOSEN    = $(if $(T),$(or $(filter $(T) test_$(T),$(TESTS)),$(wildcard $(foreach t,$(T) test_$(T),tests/*/$t.sh)),\
              $(error tests/ has no program or script '$(T)')))
check: test-setup ## unit programs and a smoke test, in a plain build; T=NAME: only this program or script
	@$(MAKE) $(PARALLEL) $(PROGRAM) $(call programs,$(BUILD),$(if $(T),$(filter-out %.sh,$(CHOSEN)),$(filter-out $(LONG),$(TESTS))))
	@$(run_tests) $(if $(T),$(foreach t,$(CHOSEN),$(if $(filter %.sh,$t),"POSLAB=$(abspath $(PROGRAM)) bash $t",$(BUILD)/tests/$t)),\
	    $(call with,$(BUILD),smoke) $(call programs,$(BUILD),$(filter-out $(LONG),$(TESTS))))

test: test-setup ## lint, laws, unit programs with sanitizers, end-to-end tests, short torture (about 8 minutes)
	@$(MAKE) $(PARALLEL) $(PROGRAM) $(call programs,$(BUILD),$(LONG) $(sort $(KERNELS) $(SLOW)))
	@$(MAKE) $(PARALLEL) $(ASAN) $(BUILD)/asan/poslab $(call programs,$(BUILD)/asan,$(filter-out $(LONG) $(SLOW),$(TESTS)))
	@$(run_tests) $(call programs,$(BUILD),$(LONG)) "$(TORTURE)" $(call with,$(BUILD)/asan,e2e) $(patsubst %,"bash %",$(filter-out %/test_lint.sh,$(SCRIPTS))) \
	    "$(call script,lint) $(QUICK)" "$(call script,lint) clang" \
	    $(call with,$(BUILD)/asan,smoke) $(call programs,$(BUILD)/asan,$(filter-out $(LONG) $(SLOW),$(TESTS))) $(call programs,$(BUILD),$(sort $(KERNELS) $(SLOW)))

test-all: test-setup ## all tests, also with sanitizers and valgrind; mutants of the core, clang-tidy, torture (an hour)
	@$(MAKE) $(PARALLEL) build-tests
	@$(MAKE) $(PARALLEL) $(ASAN) build-tests
	@$(MAKE) $(PARALLEL) $(VALGRIND) valgrind-wrapper
	@LIMIT=2h $(run_tests) "$(call script,torture) full $(EVERY)" "$(BUILD)/tests/test_laws core" \
	    $(call with,$(BUILD)/valgrind,e2e,checked) $(call suite,$(BUILD)/asan) $(call suite,$(BUILD)) \
	    "$(BUILD)/tests/test_model long" "$(BUILD)/tests/test_methods --full" "$(BUILD)/tests/test_attention --full" \
	    "python3 tests/tools/task_answers.py ./$(PROGRAM)" \
	    "python3 tests/tools/golden_scores.py tests/golden/test_golden_scores.c" $(SCRIPTS:%="bash %") $(call script,lint)
.PHONY: check test-all

# The test commands of a build: its cmocka programs, and the end-to-end test of its program.
suite     = $(call programs,$1,$(LONG) $(filter-out $(LONG),$(TESTS))) $(call with,$1,e2e)

# Needs python3-torch, which no other target needs; without it, a message is printed and nothing is compared.
PYTHON ?= /usr/bin/python3
torch-check: $(PROGRAM) ## compare every method, tasks, loaders and imported models with independent code in PyTorch (minutes)
	@rm -rf $(BUILD)/torch
	@if $(PYTHON) -c 'import torch' 2>/dev/null; then $(PYTHON) tests/torch/torch_loader.py ./poslab $(BUILD)/torch/loader && \
	    $(PYTHON) tests/torch/torch_tasks.py ./poslab $(BUILD)/torch/tasks && \
	    $(PYTHON) tests/torch/torch_import.py ./poslab $(BUILD)/torch/import && \
	    $(PYTHON) tests/torch/torch_check.py ./poslab $(BUILD)/torch; \
	else echo "torch-check: skipped, $(PYTHON) has no torch (apt-get install python3-torch)"; fi

# The two programs alternate; the machine should be idle.
torch-speed: $(PROGRAM) data ## compare the training speed with PyTorch on the same models (minutes, on an idle machine)
	@mkdir -p $(BUILD)/torch
	@if $(PYTHON) -c 'import torch' 2>/dev/null; then $(PYTHON) tests/torch/torch_speed.py ./poslab $(BUILD)/torch; \
	else echo "torch-speed: skipped, $(PYTHON) has no torch (apt-get install python3-torch)"; fi
.PHONY: torch-check torch-speed

report-test: test-setup $(PROGRAM) ## test the report in a headless browser: sorting, policy, phone, print
	@.ci/install chromium chromium-driver curl texlive-latex-recommended
	@$(run_tests) $(call with,$(BUILD),report)

CLUSTER_PACKAGES = slurmctld slurmd slurm-client munge openmpi-bin libopenmpi-dev pkg-config
test-cluster: test-setup ## test a sweep on a real Slurm of two nodes, started for the test; as root
	@.ci/install $(CLUSTER_PACKAGES)
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@LIMIT=30m $(run_tests) $(call with,$(BUILD),cluster)
.PHONY: test-cluster

# Each release is installed once, into /var/tmp/poslab-releases (about 700 MB each).
test-releases: ## build and test in Debian 12 and 13, Ubuntu 22.04 and 24.04, installed by debootstrap; as root
	@.ci/install debootstrap curl
	@LIMIT=2h $(run_tests) $(call with,$(BUILD),releases)
.PHONY: test-releases

lint: test-setup ## layers, memory, names, words, format, links, map, warnings, clang-tidy, cppcheck, lengths
	@$(call script,lint)

lint-quick: ## the checks that need no compiler: layers, names, words, format, links, map (seconds)
	@$(call script,lint) layers names words format links map
.PHONY: lint-quick

format: ## format all C files with clang-format
	clang-format -i src/*/*.[ch] methods/*.c $(filter-out tests/fuzz/%,$(wildcard tests/*/*.[ch]))

sanitize: test-setup ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) $(PARALLEL) $(ASAN) build-tests
	@$(run_tests) $(call suite,$(BUILD)/asan)

valgrind: test-setup ## the whole end-to-end test under valgrind (15 minutes)
	@$(MAKE) $(PARALLEL) $(VALGRIND) valgrind-wrapper
	@LIMIT=2h $(run_tests) $(call with,$(BUILD)/valgrind,e2e,checked)

# A wrapper that runs poslab and its workers under valgrind. With these variables set, poslab does not execute itself
# again; /proc/self/exe would start valgrind.
valgrind-wrapper: $(PROGRAM)
	@printf '%s\n' '#!/bin/sh' 'export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 GOTO_NUM_THREADS=1' \
	    $(if $(filter x86_64,$(shell uname -m)),'export OPENBLAS_CORETYPE=Nehalem') \
	    'exec valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \' \
    '    --trace-children=yes \' \
	    '    --trace-children-skip="*gnuplot*,/bin/*,/usr/bin/*" --suppressions=$(abspath tests/tools/valgrind.supp) \' \
	    '    $(abspath $(PROGRAM)) "$$@"' >$(BUILD)/checked
	@chmod +x $(BUILD)/checked
.PHONY: valgrind-wrapper

coverage: test-setup ## line coverage: at least 90 % of src and all of methods
	@.ci/install gcovr
	@$(MAKE) $(PARALLEL) $(COVERAGE) build-tests
	@find $(BUILD)/coverage -name '*.gcda' -delete
	@$(run_tests) $(call suite,$(BUILD)/coverage)
	gcovr -r . --filter src/ --fail-under-line 90 $(BUILD)/coverage
	gcovr -r . --filter methods/ --fail-under-line 100 $(BUILD)/coverage

mutants: test-setup ## list the mutants of methods and of the core, and the law that catches each
	@$(MAKE) $(PARALLEL) $(BUILD)/tests/test_laws
	@$(BUILD)/tests/test_laws mutants

# Each deletion is tested in a copy of the tree; DELETE="foo bar" deletes only these, the default is all.
test-deletions: test-setup ## build and test without each file of methods/ in turn
	@$(MAKE) $(PARALLEL) build-tests
	@$(call script,deletions) $(DELETE)
.PHONY: test-deletions

# Every EVERYth call that changes a file is made to fail; 1 takes about half an hour.
EVERY    ?= 1
TORTURE   = POSLAB=$(abspath $(PROGRAM)) bash $(call script,torture)
torture: test-setup ## kill a sweep, or fail its writes, at every system call that changes a file, and at random times
	@$(MAKE) $(PARALLEL) $(PROGRAM)
	@$(TORTURE) full $(EVERY)

hostile: test-setup ## put each of a list of invalid values into each column of a database and run all commands that read it (minutes)
	@$(MAKE) $(PARALLEL) $(BUILD)/tests/test_hostile
	@$(BUILD)/tests/test_hostile all
.PHONY: hostile

# Each target runs for SECONDS; findings and corpora are kept in BUILD/fuzz.
SECONDS  ?= 600
FUZZERS   = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ      = MPI=0 BUILD=$(BUILD)/fuzz CC=clang OPT=-O1 SANITIZE="-fsanitize=fuzzer-no-link,address,undefined"
fuzz: test-setup ## fuzz the readers of configs, safetensors and tokens with libFuzzer
	@$(MAKE) $(PARALLEL) $(FUZZ) $(BUILD)/fuzz/libposlab.a
	@set -e; for f in $(FUZZERS); do mkdir -p $(BUILD)/fuzz/$$f.inputs; \
	    clang -std=c11 -D_GNU_SOURCE -O1 -g -iquote src -fsanitize=fuzzer,address,undefined -o $(BUILD)/fuzz/$$f tests/fuzz/$$f.c \
	        $(BUILD)/fuzz/libposlab.a $(LDLIBS); \
	    ASAN_OPTIONS=detect_leaks=1 $(BUILD)/fuzz/$$f -max_total_time=$(SECONDS) -rss_limit_mb=2048 -print_final_stats=1 \
	        -artifact_prefix=$(BUILD)/fuzz/$$f- $(BUILD)/fuzz/$$f.inputs tests/fuzz/seeds/$$f 2>$(BUILD)/fuzz/$$f.log || \
	        { tail -30 $(BUILD)/fuzz/$$f.log; exit 1; }; \
	    sed -n "s/^stat::number_of_executed_units:/$$f: executions without a finding:/p" $(BUILD)/fuzz/$$f.log; done
.PHONY: torture fuzz

# --- methods ---

# A new method: a skeleton that builds and passes the laws unchanged, and an experiment that compares it with those of
# these methods that exist.
BESIDE = alibi rotary none
TRIED  = alibi none
METHOD_FILE   = $(or $(METHODS_DIR),methods)/$(NAME).c
METHOD_CONFIG = $(or $(METHODS_DIR),configs)/$(NAME).json
RUN_AS        = $(if $(filter poslab,$(PROGRAM)),./)$(PROGRAM)
WITH          = $(if $(METHODS_DIR), METHODS_DIR=$(METHODS_DIR))
experiment    = sed $(foreach m,$(BESIDE),$(if $(wildcard methods/$m.c),,-e 's/$(comma) "$m"//')) -e 's/@NAME@/$(NAME)/g' src/position/skeleton.json.in
method: ## start a method: make method NAME=foo writes methods/foo.c and configs/foo.json, or both into METHODS_DIR
	@printf '%s' '$(NAME)' | grep -qxE '[a-z][a-z0-9_]{1,30}' || \
	    { echo "make method NAME=foo: a name has small letters, digits and _, and begins with a letter; got '$(NAME)'" >&2; exit 2; }
	@for f in methods/$(NAME).c $(METHOD_FILE) $(METHOD_CONFIG); do [ ! -e $$f ] || { echo "$$f is there already" >&2; exit 2; }; done
	@found=$$(awk -v check=names -v methods='$(NAME)' -f tests/tools/lint_structure.awk src/*/*.[ch] | head -1); \
	    [ -z "$$found" ] || { echo "'$(NAME)' is a string in src/, which names no method ($$found): take another" >&2; exit 2; }
	@sed 's/@NAME@/$(NAME)/g' src/position/skeleton.c.in >$(METHOD_FILE)
	@$(experiment) >$(METHOD_CONFIG)
	@printf '%-32s%s\n' '$(METHOD_FILE)' 'write it; the hooks are in src/position/position.h' \
	    'make try NAME=$(NAME)$(WITH)' 'the laws in short, and a small training' \
	    'make laws NAME=$(NAME)$(WITH)' 'all laws; prints what is wrong' \
	    '$(METHOD_CONFIG)' '$(RUN_AS) run $(METHOD_CONFIG) -j $(JOBS)' \
	    '' '$(RUN_AS) analyse results/$(NAME).db compare --baseline $(NAME)'

task: ## start a synthetic task: make task NAME=foo writes src/tasks/foo.c
	@printf '%s' '$(NAME)' | grep -qxE '[a-z][a-z0-9_]{1,30}' || \
	    { echo "make task NAME=foo: a name has small letters, digits and _, and begins with a letter; got '$(NAME)'" >&2; exit 2; }
	@[ ! -e src/tasks/$(NAME).c ] || { echo "src/tasks/$(NAME).c already exists" >&2; exit 2; }
	@sed 's/@NAME@/$(NAME)/g' src/tasks/skeleton.c.in >src/tasks/$(NAME).c
	@printf '%-28s%s\n' 'src/tasks/$(NAME).c' 'write it; every member is explained in src/tasks/task.h' \
	    'make' 'builds poslab with it' './poslab tasks $(NAME)' 'its options and three examples' \
	    'make -s check T=test_tasks' 'prints what is wrong with it'
.PHONY: task

laws: $(if $(NAME),$(PROGRAM)) ## run the laws on one method: make laws NAME=foo
	@[ '$(NAME)' ] || { echo 'make $@ NAME=foo: a name is missing; there are $(ALL_METHODS)' >&2; exit 2; }
	@$(MAKE) $(PARALLEL) $(BUILD)/tests/test_methods
	@$(BUILD)/tests/test_methods '$(NAME)'

# The corpus is the text of src/, which is always there. One seed, tiny models: whether the method learns at all, and
# whether it breaks beyond the training length.
TRY = --set 'data.files=["src/*/*.c", "src/*/*.h"]' --set 'sweep.method=["$(NAME)"$(foreach m,$(filter-out $(NAME),$(TRIED)),$(if $(wildcard methods/$m.c),$(comma) "$m"))]' \
    --set model.layers=2 --set model.heads=4 --set model.width=64 --set model.ffn=128 --set train.seed=1 --set train.tokens=2e5 \
    --set evaluate.tokens=8192 --set 'evaluate.multiples=[1,2,4,8]'
try: $(if $(NAME),$(PROGRAM)) ## try a method, in 20 seconds: the laws in short, and a small training with alibi and none
	@[ '$(NAME)' ] || { echo 'make $@ NAME=foo: a name is missing; there are $(ALL_METHODS)' >&2; exit 2; }
	@$(MAKE) $(PARALLEL) $(BUILD)/tests/test_methods
	@$(BUILD)/tests/test_methods --short '$(NAME)'
	@rm -rf $(BUILD)/try && mkdir $(BUILD)/try
	@$(experiment) >$(BUILD)/try/$(NAME).json
	@$(RUN_AS) run $(BUILD)/try/$(NAME).json --db $(BUILD)/try/$(NAME).db -q -j $(JOBS) $(TRY)
	@$(RUN_AS) table $(BUILD)/try/$(NAME).db

cost: $(PROGRAM) ## measure the cost of each method, for `poslab methods` and methods/README.md
	@mkdir -p results/methods
	./poslab bench --lengths 128,512 --rounds 9 --precision fp32 --format csv >results/methods/cost.csv.new
	@mv results/methods/cost.csv.new results/methods/cost.csv

# The table is between two markers in methods/README.md; tests/cli/test_method.sh checks that it is up to date.
readme-methods: $(PROGRAM) ## write the table of methods in methods/README.md
	@./poslab methods --format md >$(BUILD)/methods.md
	@awk '/^<!-- methods/ { print; while ((getline line < "$(BUILD)/methods.md") > 0) print line; skip = 1; next } \
	    /^<!-- end of methods/ { skip = 0 } !skip' methods/README.md >$(BUILD)/methods-README.md
	@mv $(BUILD)/methods-README.md methods/README.md

# The tables of keys are between marks of configs/README.md, which name a section; tests/cli/test_help.sh checks them.
readme-configs: $(PROGRAM) ## write the tables of keys in configs/README.md
	@tests/tools/readme_keys.sh $(abspath $(PROGRAM)) <configs/README.md >$(BUILD)/configs-README.md
	@mv $(BUILD)/configs-README.md configs/README.md
.PHONY: method laws try cost readme-methods readme-configs zoo

# --- installing ---

# tests/cli/test_completion.sh checks that the committed page is up to date.
man: $(PROGRAM) ## write the man page from the commands' options
	@$(abspath $(PROGRAM)) manual >$(BUILD)/commands.1
	@$(abspath $(PROGRAM)) manual config >$(BUILD)/config.1
	@sed -e '/^@COMMANDS@$$/{r $(BUILD)/commands.1' -e 'd}' -e '/^@CONFIG@$$/{r $(BUILD)/config.1' -e 'd}' src/cli/poslab.1.in >src/cli/poslab.1.new
	@mv src/cli/poslab.1.new src/cli/poslab.1
.PHONY: man

# $(call at,PATH): a path of the installation, quoted as one word of the shell.
at = '$(subst ','\'',$(DESTDIR)$(PREFIX))'/$1
COMPLETIONS = share/bash-completion/completions/poslab share/zsh/site-functions/_poslab share/fish/vendor_completions.d/poslab.fish
# The sources are installed, too: what methods of one's own are built from (methods/README.md).
install: $(PROGRAM) ## install to PREFIX (/usr/local): program, man page, completion, plot templates, claims, sources
	install -d $(call at,bin) $(call at,share/man/man1) $(call at,share/poslab/plots) $(call at,share/poslab/results/paper) \
	    $(foreach c,$(COMPLETIONS),$(call at,$(dir $c)))
	install -m 755 $(PROGRAM) $(call at,bin/poslab)
	install -m 644 src/cli/poslab.1 $(call at,share/man/man1/poslab.1)
	install -m 644 $(wildcard plots/*.gp) plots/figure.py $(call at,share/poslab/plots)
	install -m 644 results/paper/claims.json $(call at,share/poslab/results/paper)
	rm -rf $(call at,share/poslab/source)
	install -d $(call at,share/poslab/source)
	cp -R --preserve=timestamps Makefile .ci src methods tests $(call at,share/poslab/source)
	echo '$(REVISION)' >$(call at,share/poslab/source/.revision)
	$(abspath $(PROGRAM)) completion bash >$(call at,$(word 1,$(COMPLETIONS)))
	$(abspath $(PROGRAM)) completion zsh >$(call at,$(word 2,$(COMPLETIONS)))
	$(abspath $(PROGRAM)) completion fish >$(call at,$(word 3,$(COMPLETIONS)))
	chmod 644 $(foreach c,$(COMPLETIONS),$(call at,$c))

uninstall: ## remove the installed files
	rm -f $(call at,bin/poslab) $(call at,share/man/man1/poslab.1) $(foreach c,$(COMPLETIONS),$(call at,$c))
	rm -rf $(call at,share/poslab)

clean: ## remove all build products; results and data are kept
	rm -rf $(BUILD) poslab

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: CC, ARCH (native), OPT (-O3), CFLAGS, ONEDNN (1 where found), MPI (1 where found), MPI_NAME (ompi-c), BUILD (build), METHODS_DIR, PREFIX (/usr/local), DESTDIR, JOBS, V=1'

flags: # for tests/tools/lint.sh
	@echo '$(CHECKED) $(TEST_DIRS:%=-I%)'

FORCE:
.PHONY: all report-test setup test-setup data data-words quickstart test lint format sanitize valgrind coverage mutants install uninstall clean \
        help flags FORCE
-include $(wildcard $(BUILD)/*.d $(BUILD)/src/*/*.d $(BUILD)/methods/*.d $(BUILD)/own/*.d $(BUILD)/tests/*.d)
