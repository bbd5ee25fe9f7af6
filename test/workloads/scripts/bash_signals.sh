#!/bin/bash
# Traps, signals between shells, exit statuses, wait.
trap 'echo caught TERM' TERM; kill -TERM $$; trap - TERM
trap 'echo usr1' USR1; trap 'echo usr2' USR2
(sleep 0.1; kill -USR1 $$) & wait; echo "wait: $?"; wait; kill -USR2 $$
{ bash -c 'kill -9 $$'; } 2> /dev/null; echo "killed: $?"
{ bash -c 'kill -SEGV $$'; } 2> /dev/null; echo "segv: $?"
bash -c 'exit 300'; echo "exit 300: $?"
(trap 'echo leaving' EXIT; exit 7); echo "exit trap: $?"
sleep 100 & pid=$!; kill $pid; wait $pid; echo "sleep: $?"
sleep 100 & pid=$!; kill -STOP $pid; sleep 0.05; ps -o state= -p $pid | tr -d ' '; kill -CONT $pid; kill $pid; wait $pid 2>/dev/null; echo "stopped: $?"
for n in 1 2 3; do (exit $n) & pids[n]=$!; done
for n in 1 2 3; do wait "${pids[n]}"; echo "child $n: $?"; done
bash -c '(sleep 0.05; exit 3) & (sleep 0.4; exit 4) & wait -n; echo "wait -n: $?"; wait -n; echo "$?"; wait -n; echo "$?"'
wait 999999; echo "wait for a stranger: $?"
trap 'echo error at line $LINENO' ERR; false; trap - ERR
trap '' INT; kill -INT $$; echo still here; trap - INT
bash -c 'trap "echo int; exit 9" INT; kill -INT $$; sleep 1'; echo "int: $?"
(ulimit -t 1; ulimit -t); (ulimit -n 20; ulimit -n)
(ulimit -f 1; head -c 100000 /dev/zero > big; echo "status $?"; stat -c %s big) 2>&1 | sed 's/line [0-9]*: *[0-9]*/line N/'
trap | wc -l
kill -l | head -n 3
/bin/true/x; echo "not a directory: $?"
./missing; echo "missing: $?"
touch plain; ./plain; echo "not executable: $?"
printf '\x7fELF garbage' > bad; chmod +x bad; ./bad; echo "bad binary: $?"
printf '#!/no/such/interpreter\n' > script; chmod +x script; ./script; echo "bad interpreter: $?"
printf 'echo without a hash bang $1\n' > plain; chmod +x plain; ./plain arg; echo $?
trap 'echo goodbye' EXIT
exit 42
