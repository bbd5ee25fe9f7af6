#!/bin/bash
# Standard streams that are files: the offset is the host file's own, and O_APPEND, O_NONBLOCK stay as they were.
run() { if [ -n "$WORKLOAD_DO" ]; then $WORKLOAD_DO "$@"; else "$@"; fi; }
(echo a; run echo b; echo c) > f; cat f
(echo a; run sh -c 'echo b; echo e >&2; echo bb'; echo c) > f 2>&1; cat f
seq 1 5 > in; (read -r x; echo "first $x"; run sh -c 'read y; echo "inside $y"'; read -r z; echo "then $z") < in
echo old > log; run echo appended >> log; cat log
run cat < in; run head -n 1 in; echo piped | run cat; run cat < /dev/null;
seq 1 300000 | run md5sum; run seq 1 300000 | md5sum; run seq 1 100000 > out; md5sum out
run sh -c 'echo out; echo err >&2' 2> err > out; cat out err
run yes | head -n 2; run sh -c 'exec >&-; echo x' 2>/dev/null; echo "closed: $?"
run cat <&-; echo "no stdin: $?"; run true >&-; echo "no stdout: $?"
run dd if=/dev/zero of=/dev/stdout bs=1k count=3 status=none | wc -c; run tee copy < in; run wc -c < in
run /usr/bin/python3 -c 'import fcntl, os; print(fcntl.fcntl(1, fcntl.F_GETFL) & os.O_APPEND)' >> log; tail -n 1 log
(sleep 0.2; echo late) | run sh -c 'read x; echo "got $x"'
