#!/bin/bash
# The coreutils that make, move, copy and remove files.
mkdir -p d/e/f; echo one > d/1; echo two > d/e/2; ln -s ../1 d/e/link; ln d/1 d/hard; mkfifo d/pipe
touch -d '2020-01-02 03:04:05.678901234' d/1; stat -c '%n %F %s %a %h %U %G %y' d/1; stat -c '%n %F %a %h %U %G' d/e d/e/link d/pipe
cp -a d copy; stat -c '%n %F %a %h' copy/1 copy/hard copy/e/link copy/pipe; for f in . 1 e pipe e/link; do [ $(stat -c %.Y copy/$f) = $(stat -c %.Y d/$f) ] || echo "$f: other time"; done; readlink copy/e/link
diff -r --exclude=pipe d copy && echo same tree; [ copy/1 -ef copy/hard ] && echo still hard links
cp d/1 d/e/2; cat d/e/2; cp -n d/1 d/e/2; cp --backup=numbered d/1 d/e/2; ls d/e; cp -l d/1 d/l; stat -c %h d/1; cp -s "$PWD/d/1" d/s; cat d/s
cp --sparse=always /dev/null empty; cp missing x; echo $?; cp d x; echo $?; cp -r d x; ls -R x
mv d/1 d/moved; mv d/moved d/e; ls d d/e; mv -T d renamed; mv renamed/e/moved renamed/e/2; mv nothing y; echo $?
mv -n renamed/e/2 renamed/hard; ls renamed renamed/e
ln -s loop1 loop2; ln -s loop2 loop1; cat loop1; echo $?; readlink -f loop1; echo $?; ln -s missing dangling; cat dangling; ls -l dangling | cut -c1-10; ln -sfn renamed dangling; ls dangling
ln renamed r2; echo $?; ln -s x renamed/hard; echo $?; rmdir renamed; echo $?; rm renamed; echo $?; rm -r renamed; rm -f missing; echo $?; rm missing; echo $?
chmod 640 x/1; chmod u+x,g-r,o=w x/1; stat -c %a x/1; chmod 7777 x/e; stat -c %A x/e; chmod -R go= x; stat -c %a x/e/link
chown 1000:100 x/1; stat -c '%u %g' x/1; chgrp 50 x/1; stat -c '%u:%g' x/1; chown -h 5 x/e/link; stat -c %u x/e/link
touch -r x/1 new; touch -t 199912312359.59 new; stat -c %Y new; touch -a -d @5 new; stat -c '%X %Y' new; touch nodir/x; echo $?
dd if=/dev/zero of=zeros bs=1000 count=7 2> /dev/null; dd if=zeros of=out bs=512 skip=1 seek=2 conv=notrunc status=none; stat -c %s out
printf abcdef | dd bs=2 count=2 conv=ucase status=none; echo; dd if=zeros of=/dev/null bs=1k 2>&1 | head -n 2
truncate -s 1M sparse; stat -c '%s %b' sparse; truncate -s -100 sparse; stat -c %s sparse; fallocate -l 8192 alloc; stat -c %s alloc; du --apparent-size -b zeros out
mktemp -u -p . XXXX | wc -c; t=$(mktemp); echo x > "$t"; stat -c %a "$t"; t=$(mktemp -d); stat -c %a "$t"; rmdir "$t"
install -m 750 -D zeros inst/a/b; stat -c '%a %s' inst/a/b; mknod null c 1 3; stat -c '%t %T' null; echo x > null; cat null
timeout 0.1 sleep 5; echo $?; { timeout -s KILL 0.1 sleep 5; } 2> /dev/null; echo $?; timeout 5 true; echo $?; nohup echo hi > nohup.log 2>&1; cat nohup.log; nice -n 5 nice; stdbuf -oL echo buffered
sync; sync zeros; shred -u zeros; ls zeros; echo $?; ls -la --time-style=+ x | awk '{ print $1, $3, $4, $NF }' | tail -n +2
ls -1U x | sort; ls -i x | awk '{ print ($1 > 0) }' | sort -u; dir -1 x; du -s --apparent-size inst | cut -f2; df . > /dev/null; echo $?
