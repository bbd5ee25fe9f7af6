#!/bin/bash
# A recursive make with a job server, pattern rules, generated sources, touch and rebuild by time stamps.
mkdir -p lib/{a,b,c} app; cat > Makefile <<'MK'
DIRS := lib/a lib/b lib/c
all: $(DIRS) app/app
$(DIRS):
	@$(MAKE) --no-print-directory -C $@ lib.out
app/app: $(DIRS)
	@cat $(addsuffix /lib.out,$(DIRS)) > $@; echo built $@
.PHONY: all $(DIRS)
MK
for d in a b c; do cat > lib/$d/Makefile <<'MK'
N := 1 2 3 4 5 6 7 8
lib.out: $(N:%=%.o)
	@cat $^ | sort -n > $@
%.o: %.src Makefile
	@sleep 0.01; sed 's/x/y/' $< > $@
%.src:
	@echo "$* x $(notdir $(CURDIR))" > $@
.PRECIOUS: %.src
MK
done
make -r -j4; md5sum app/app; make -r -j4 > again; grep -c built again; sleep 0.02; touch lib/b/3.src; make -r -j2 -C lib/b lib.out --no-print-directory; find lib -name '*.o' -newer lib/b/3.src | wc -l; make -r -q -C lib/a lib.out; echo $?; make -r -C lib/a nothing 2>&1 | tail -n 1; make -r -n -B -C lib/c lib.out | grep -c sed; cat > bad.mk <<'MK'
all: x y z
x: ; @exit 3
y: ; @echo y is made
z: ; @kill -9 $$$$
.NOTPARALLEL:
MK
make -k -j3 -f bad.mk; echo "status $?"; printf '$(info $(shell echo from a shell) $(wildcard lib/*))\nall: ; @:\n' > info.mk; make -f info.mk -s; ls lib/a | wc -l
