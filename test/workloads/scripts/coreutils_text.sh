#!/bin/bash
# The coreutils that read and write text.
seq 1 5000 | awk '{ print ($1 * 7919) % 5003, "line", $1 }' > data
sort -n data | head -n 3; sort -k3,3nr data | head -n 2; sort -u -n data | wc -l
sort -S 1M -T . --parallel=2 data | md5sum
cut -d' ' -f1,3 data | head -n 2; cut -c1-3 data | sort | uniq -c | sort -rn | head -n 3
tr -d '0-4' < data | md5sum; tr -s 'ine' < data | head -n 1; tr '[:lower:]' '[:upper:]' < data | tail -n 1
head -c 20 data; echo; tail -c 20 data; tail -n +4999 data; head -n -4998 data
seq 1 10 > a; seq 5 15 > b; sort a > as; sort b > bs; comm as bs; comm -12 as bs
join <(sort data | head -n 20) <(sort data | head -n 10) | head -n 3
paste a b -d, | head -n 3; paste -s a
uniq -d <(printf 'x\nx\ny\n'); uniq -u <(printf 'x\nx\ny\n')
md5sum a b; sha1sum a; sha256sum a > sums; sha256sum -c sums; sha512sum b; b2sum a; cksum a; sum a
od -A x -t x1z -N 64 data; od -c -N 20 data; base64 a | base64 -d | cmp - a && echo same; base32 a | head -n 1
nl a | tail -n 2; fold -w 30 <(tr '\n' ' ' < a); fmt -w 20 <(tr '\n' ' ' < a); pr -t -3 a | head -n 3
expand <(printf 'a\tb\n'); unexpand -a <(printf 'a       b\n'); rev a | tail -n 1; tac a | head -n 2
split -l 1000 data part_; ls part_*; cat part_* | cmp - data && echo joined
split -n 3 -d data num_; wc -c num_*; csplit -s data 10 20; wc -l xx*
wc data; wc -L data; numfmt --to=iec 1048576 123456789; factor 1234567890 97; seq -w 8 11; seq -s, 1 0.5 3
shuf --random-source=data a | head -n 3; shuf -i 1-100 -n 3 --random-source=data
printf '%b\n' 'a\tb\x41'; echo -e 'x\ny'; expr 6 '*' 7; expr hello : 'h\(.*\)o'; test 3 -lt 5 && echo less
tee t1 t2 < a > t3; cmp t1 t2; cmp t2 t3; cmp a b; diff -u a b | tail -n 3; tsort <<< 'a b b c'
ptx -r <<< 'one two' > /dev/null; echo $?; dirname /a/b/c; basename /a/b/c.txt .txt; realpath -m /a/../b; pathchk -p ok; echo $?
date -u -d @1234567890 +%Y-%m-%dT%H:%M:%S; date -d '2024-02-29 + 1 year' +%F; env -i A=b /usr/bin/env; printenv LC_ALL; arch; nproc --ignore=1000; id -u; id -gn; whoami; groups; logname 2>/dev/null; tty; hostname | wc -l
