# poslab: build, test, quickstart. `make help` lists the targets.

CC       ?= cc
ARCH     ?= native
OPT      ?= -O3
PREFIX   ?= /usr/local
BUILD    ?= build
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wwrite-strings
# Contracting a*b+c is not -ffast-math: each result is at most more exact. Nothing here reads errno after sqrt or exp.
CFLAGS   ?= -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(OPT) -march=$(ARCH) -ffp-contract=fast -fno-math-errno -fopenmp-simd \
             $(WARN) $(CFLAGS) $(SANITIZE) -Isrc -MMD -MP
LDLIBS    = -lopenblas -lcjson -lsqlite3 -lcrypto -lm
ALL_LDFLAGS = $(LDFLAGS) $(SANITIZE)

SOURCES  := $(wildcard src/*.c)
METHODS  := $(sort $(wildcard methods/*.c))
OBJECTS   = $(SOURCES:src/%.c=$(BUILD)/src/%.o) $(METHODS:methods/%.c=$(BUILD)/methods/%.o) $(BUILD)/registry.o
LIBRARY   = $(filter-out $(BUILD)/src/main.o,$(OBJECTS))
REVISION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

all: poslab

poslab: $(OBJECTS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/src/%.o: src/%.c | $(BUILD)/src
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/methods/%.o: methods/%.c | $(BUILD)/methods
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/tests/%.o: tests/%.c | $(BUILD)/tests
	$(CC) $(ALL_CFLAGS) -Itests -c -o $@ $<
$(BUILD)/registry.o: $(BUILD)/registry.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The registry: one line for each file in methods/, rewritten only when the list changes.
$(BUILD)/registry.c: FORCE | $(BUILD)/src
	@{ echo '#include "position.h"'; \
	   for m in $(basename $(notdir $(METHODS))); do echo "extern const PositionMethod method_$$m;"; done; \
	   echo 'const PositionMethod *const position_methods[] = {'; \
	   for m in $(basename $(notdir $(METHODS))); do echo "    &method_$$m,"; done; \
	   echo '};'; \
	   echo 'const int position_method_count = $(words $(METHODS));'; } >$@.new; \
	 if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/src $(BUILD)/methods $(BUILD)/tests:
	@mkdir -p $@

clean:
	rm -rf $(BUILD) poslab

FORCE:
.PHONY: all clean FORCE
-include $(wildcard $(BUILD)/src/*.d $(BUILD)/methods/*.d $(BUILD)/tests/*.d)
