#!/bin/sh
# dash: the same things as bash's, by vfork and without its helpers.
set -e; trap 'echo leaving $?' EXIT; i=0; while [ $i -lt 200 ]; do x=$(printf %03d $i); i=$((i + 1)); done; echo "$x"; set +e
f() { local v=$1; shift; [ $# -gt 0 ] && f "$@"; printf '%s ' "$v"; }; f a b c; echo
cat <<A; cat <<'B'
$x ${x#0} $((x_ = 5)) `echo backquote`
A
$x
B
(exit 5) || echo $?; ! false && echo not; { echo group; } | tr a-z A-Z; echo a b c | { read -r p q; echo "$q"; }
(sleep 0.2; echo late) & echo early; wait; kill -0 $$ && echo alive; sleep 5 & kill $!; wait $!; echo $?; trap 'echo hup' HUP; kill -HUP $$; trap - HUP
for f in /etc/host[n]ame /no*such; do echo "$f"; done; case x in [!a-w]) echo class;; esac; IFS=,; set -- $(echo 1,2,3); echo $# "$3"; unset IFS; eval "echo \${3}"; exec 3>&1; echo three >&3; exec 3>&-; command -v printf; umask 022; umask; ulimit -n > /dev/null; times > /dev/null; getopts a: o -a val; echo "$o $OPTARG"; printf '%d %o %x %e\n' 10 10 10 10; test -d / -a -r /; echo $?; readonly R=1; (R=2) 2> /dev/null; echo $?; exit 9
