#!/bin/bash
# Exit codes, environment, working directory and umask of the program that is started, as env(1) has them.
run() { if [ -n "$WORKLOAD_DO" ]; then $WORKLOAD_DO "$@"; else env "$@"; fi; }
for n in 0 1 2 77 125 126 127 255; do run sh -c "exit $n"; echo "$n: $?"; done
for s in TERM KILL SEGV ABRT PIPE USR1 HUP; do run sh -c "kill -$s \$\$"  2> /dev/null; code=$?; echo "$s: $code"; done
run /no/such/program 2> /dev/null; echo $?; run no-such-program 2> /dev/null; echo $?; touch plain; run ./plain 2> /dev/null; echo $?; run / 2> /dev/null; echo $?; run /etc/passwd/x 2> /dev/null; echo $?
printf '#!/bin/sh\necho "script $0 $*"\n' > s; chmod +x s; run ./s a 'b c' ''; printf '#!/no/such\n' > s2; chmod +x s2; run ./s2 2> /dev/null; echo $?
mkdir d; cd d || exit 1; run pwd; (umask 077; run sh -c 'umask; : > x; stat -c %a x'); A='b c' run sh -c 'echo "$A"'; run env | sort | grep -v -e ^_= -e ^SHLVL -e WORKLOAD_DO; run sh -c 'echo $0 $# "$@"' name 1 2 3; run printf '%s|' a '' 'b c' '*'; echo
(ulimit -n 123; run sh -c 'ulimit -n'); (ulimit -c 0; run sh -c 'ulimit -c'); (trap '' HUP; run sh -c 'kill -HUP $$; echo survived'); nice -n 3 sh -c :; run id; run tty; run sh -c 'exit 3' | cat; echo "${PIPESTATUS[0]}"
run sh -c 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.05; done' > out & sleep 1; kill -TERM $!; wait $!; echo "handled: $?"; cat out
