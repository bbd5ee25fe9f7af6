#!/bin/bash
# workload: seconds=120
# make -j4 of twenty C files, a static and a shared library, and what they build into.
mkdir src; for i in $(seq 1 20); do cat > src/f$i.c <<C
#include <stdio.h>
#include <math.h>
#include "all.h"
static int table[64];
int f$i(int x) { for (int k = 0; k < 64; k++) table[k] = (x * k + $i) % 97; int s = 0; for (int k = 0; k < 64; k++) s += table[k]; return s + (int)sqrt(x); }
C
done
{ for i in $(seq 1 20); do echo "int f$i(int);"; done; } > src/all.h
{ echo '#include <stdio.h>'; echo '#include "all.h"'; echo 'int main(void) { int s = 0;'; for i in $(seq 1 20); do echo "s += f$i($i);"; done; echo 'printf("%d\n", s); return s % 100; }'; } > src/main.c
cat > Makefile <<'MK'
OBJECTS := $(patsubst src/%.c,obj/%.o,$(wildcard src/*.c))
prog: $(OBJECTS)
	@gcc -o $@ $^ -lm
obj/%.o: src/%.c src/all.h | obj
	@gcc -O2 -Wall -c -o $@ $<
obj:
	@mkdir -p obj
clean:
	@rm -rf obj prog
.PHONY: clean
MK
make -j4; echo "make: $?"; ./prog; echo "prog: $?"; sha256sum prog
make -j4; touch src/f3.c; make -n | wc -l; make; ./prog; make clean; ls
gcc -c -O1 src/f1.c src/f2.c; ar rcD libf.a f1.o f2.o; nm libf.a | grep ' T '; gcc -shared -fPIC -o libg.so src/f3.c -lm; objdump -d f1.o | md5sum; size f1.o | tail -n 1; strip f2.o; readelf -h f2.o | grep Machine
cat > user.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
int f1(int);
int main(void) { void *h = dlopen("./libg.so", RTLD_NOW); int (*g)(int) = (int (*)(int))dlsym(h, "f3"); printf("%d %d\n", f1(3), g(4)); return 0; }
C
gcc user.c libf.a -lm -o user; ./user; gcc -static user.c -x c - -o st 2> /dev/null <<< 'int f1(int x) { return x; }'; ./st
echo 'int main(void) { return undefined_thing; }' > bad.c; gcc bad.c; echo "bad: $?"; make nothing; echo "no target: $?"
gcc -g -O0 -fsanitize=undefined -o ub -x c - <<< 'int main(int c, char **v) { return (c << 31) != 0; }' && ./ub 2>&1 | grep -c error
