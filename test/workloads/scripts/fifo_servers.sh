#!/bin/bash
# Named pipes as servers, many writers of one pipe, pipe sizes, readers and writers that come and go.
mkfifo request reply; (while read -r line; do [ "$line" = quit ] && break; echo "answer to $line"; done < request > reply) &
exec 3> request 4< reply; for i in 1 2 3; do echo "question $i" >&3; read -r answer <&4; echo "$answer"; done; echo quit >&3; exec 3>&- 4<&-; wait
mkfifo many; cat many > all & exec 3> many; for i in $(seq 1 20); do (for j in $(seq 1 50); do echo "writer $i line $j"; done > many) & done; exec 3>&-; wait; sort all | uniq -c | awk '$1 != 1' | wc -l; wc -l < all; sort all | md5sum
mkfifo none; (sleep 0.1; cat none > /dev/null) & echo reader came late > none; wait; timeout 0.2 cat none; echo "nobody writes: $?"; (exec 3<> none; echo both ways >&3; read -r x <&3; echo "$x")
{ sleep 0.1; echo x; } | { read -r -t 5 a; echo "$a"; }; (sleep 0.3) | read -r -t 0.05 b; echo "timeout: $(($? > 128))"; head -c 70000 /dev/zero | (sleep 0.1; wc -c); seq 100000 | (head -n 1; sleep 0.05); echo "${PIPESTATUS[*]}"; seq 1 100000 | tee >(md5sum > s1) >(sha1sum > s2) | wc -l; sleep 0.3; cat s1 s2
for i in $(seq 1 30); do echo $i; done | xargs -P 8 -I{} sh -c 'echo $(({} * 2))' | sort -n | md5sum; cat /etc/passwd | cat | cat | cat | cat | cat | cat | cat | md5sum; yes | head -c 30000 | (while read -r -n 10000 chunk; do echo "${#chunk}"; done) | sort | uniq -c | awk '{ print ($1 > 0) }'; dd if=/dev/zero bs=100k count=30 status=none | dd bs=3k iflag=fullblock of=/dev/null 2>&1 | head -n 1; ls -l --time-style=+ none | cut -c1-10; rm request reply many none; ls
