#!/bin/bash
# workload: seconds=120
# Big files, big pipes, sparse ones, many descriptors.
dd if=/dev/zero of=/tmp/workload-big bs=1M count=200 status=none; stat -c %s /tmp/workload-big; md5sum < /tmp/workload-big; rm /tmp/workload-big
head -c 50000000 /dev/zero | tr '\0' 'a' | md5sum; seq 1 2000000 | md5sum; seq 1 500000 > n; sort -rn n | head -n 1; wc n; cat n n n | wc -l; tail -c 100 n | tail -n 1; split -b 500k n; cat x?? | cmp - n && echo same
truncate -s 10G sparse; stat -c '%s' sparse; dd if=/dev/urandom of=sparse bs=4k count=1 seek=1000000 conv=notrunc status=none; du -k sparse | cut -f1; cp --sparse=always --reflink=never n n2; cmp n n2; rm sparse
cat /usr/bin/* 2> /dev/null | md5sum; for f in /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/bin/gcc /usr/bin/git; do sha1sum "$f"; done
head -c 1M /dev/zero > small; for i in $(seq 1 64); do cat small; done | dd bs=64k 2> /dev/null | wc -c; yes | head -n 3000000 | uniq -c; ulimit -f unlimited; (ulimit -n 64; exec 60< n; read -r a <&60; echo "$a")
for i in $(seq 10 250); do eval "exec $i< n"; done; read -r a <&200; echo "$a"; fds=(/proc/$$/fd/*); echo "${#fds[@]}"
