#!/bin/bash
# Arithmetic, arrays, patterns, functions: a shell that only computes.
echo $((2 ** 40 % 1000007)) $((-7 / 2)) $((0x1f & 0b1010 | 3)) $((1 << 62))
fib() { local a=0 b=1 i; for ((i = 0; i < $1; i++)); do ((a += b, b = a - b)); done; echo "$a"; }
fib 80
declare -A map=([one]=1 [two]=2 [three]=3); for k in $(printf '%s\n' "${!map[@]}" | sort); do echo "$k=${map[$k]}"; done
words=(delta alpha charlie bravo); echo "${#words[@]} ${words[@]:1:2} ${words[-1]}"
s=hello.tar.gz; echo "${s%%.*} ${s#*.} ${s/l/L} ${s//l/L} ${s^^} ${#s} ${s:2:3}"
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
shopt -s extglob nullglob globstar; mkdir -p a/b/c; touch a/1.txt a/b/2.txt a/b/c/3.log; echo **/*.txt **/!(*.txt)
case foo.c in *.[ch]) echo C source ;; *) echo other ;; esac
printf '%05d|%-8s|%x|%q\n' 42 left 255 'a b'
IFS=: read -r user _ uid _ < /etc/passwd; echo "$user $uid"
select_out=$(echo 2 | { select w in x y; do echo "chose $w"; break; done; } 2>&1); echo "$select_out"
eval 'v=dyn'; echo "$v"; unset v; echo "${v:-default} ${v-none}"; (echo "${v:?is not set}") 2>&1 | sed 's/.*: v:/v:/'
until ((++n >= 3)); do :; done; echo "$n"
echo {a..e} {1..10..3} {x,y}{1,2}
mapfile -t lines < <(seq 3); echo "${lines[*]}"
getopts_test() { while getopts 'ab:' o; do echo "$o ${OPTARG:-}"; done; }; getopts_test -a -b value
( set -e; false; echo not reached ); echo "set -e: $?"
( set -u; echo $undefined ) 2> /dev/null; echo "set -u: $?"
echo "$BASHPID" | grep -c . ; [[ $PPID -gt 0 ]] && echo has a parent
time_out=$( { time : ; } 2>&1 | grep -c real); echo "$time_out"
umask; umask 027; touch masked; stat -c %a masked
cd /usr/../usr/./bin && pwd; cd - > /dev/null; cd "$OLDPWD"; pwd -P
type -t cd; command -v ls; hash -r
