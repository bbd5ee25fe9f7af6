#!/bin/bash
# Pipes, here-documents, redirections, process substitution, pipe statuses.
seq 1 2000 | sort -r | head -n 5
seq 1 100000 | tail -n 3 | tr '\n' ' '; echo
cat <<HERE | sed 's/a/b/g'
a here-document of $((6 * 7)) words
	a tab and \$HOME not expanded
HERE
cat <<-'HERE'
	quoted $HOME `date`
HERE
cat <<< "here string"
false | true | false; echo "${PIPESTATUS[@]} $?"
set -o pipefail; false | true; echo $?; set +o pipefail
diff <(seq 1 5) <(seq 2 6); echo "diff: $?"
tee >(wc -c > count) < <(printf 'some text') > copy; sleep 0.2; cat copy; echo; cat count
exec 5> five; echo to five >&5; exec 5>&-; cat five
exec 6<> six; echo hello >&6; read -r line < six; echo "$line"; exec 6>&-
{ echo out; echo err >&2; } 2>&1 | sort
echo clobber > file; set -o noclobber; { echo x > file; } 2> message; echo "status $?"; cat message; set +o noclobber
echo more >> file; cat file
mkfifo fifo; (echo through the fifo > fifo) & cat fifo; wait
yes | head -c 100000 | md5sum
(trap '' PIPE; yes 2> yes_error | head -n 1; echo "${PIPESTATUS[@]}"); cat yes_error
yes | head -n 1; echo "${PIPESTATUS[@]}"
coproc tr a-z A-Z; echo shout >&"${COPROC[1]}"; exec {COPROC[1]}>&-; cat <&"${COPROC[0]}"; wait
printf '%s\n' one two three | while read -r word; do echo "<$word>"; done
cat < missing; echo "status $?"
