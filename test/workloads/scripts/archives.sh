#!/bin/bash
# tar, gzip, xz and cpio-like round trips.
mkdir -p src/deep/er; for i in $(seq 1 50); do seq $i $((i * 40)) > src/deep/f$i; done; ln -s f1 src/deep/link; ln src/deep/f2 src/hard; truncate -s 3M src/sparse; echo x >> src/sparse; chmod 600 src/deep/f3; find src -exec touch -h -d '2021-05-06 07:08:09' {} +
tar --sort=name --owner=0 --group=0 --numeric-owner -cf a.tar src; md5sum a.tar; tar tvf a.tar | md5sum; tar tf a.tar | wc -l
mkdir out; tar xf a.tar -C out; diff -r src out/src && echo same; stat -c '%a %Y' out/src/deep/f3; readlink out/src/deep/link; [ out/src/hard -ef out/src/deep/f2 ] && echo hard
tar -S --sort=name -cf sparse.tar src/sparse; stat -c %s sparse.tar; tar xf sparse.tar -C out; cmp src/sparse out/src/sparse && echo sparse
gzip -nk9 a.tar; md5sum a.tar.gz; gzip -t a.tar.gz && zcat a.tar.gz | cmp - a.tar && echo gzip; gunzip -c a.tar.gz | md5sum; zgrep -c deep a.tar.gz
xz -k -T2 -1 a.tar; xz -l a.tar.xz | tail -n 1 | awk '{ print $1, $2 }'; xzcat a.tar.xz | cmp - a.tar && echo xz; xz -dc a.tar.xz | md5sum
tar czf - src | tar xzf - -O src/deep/f1 | md5sum; tar cJf b.txz src && tar xJf b.txz -C out --strip-components=1 && ls out | sort
tar rf a.tar a.tar.gz; tar --delete -f a.tar src/sparse; tar tf a.tar | tail -n 2; tar df a.tar; echo $?; (cd src && tar cf - .) | (mkdir piped; cd piped && tar xf -); diff -r src piped && echo piped
tar xf missing.tar; echo $?; head -c 1000 a.tar.gz > cut.gz; gzip -t cut.gz; echo $?; tar --exclude='f1*' -cf ex.tar src; tar tf ex.tar | wc -l; tar -cf /dev/null src; echo $?; tar -g snap -cf inc0.tar src; sleep 1.1; echo new > src/new; tar -g snap -cf inc1.tar src; tar tf inc1.tar | grep -v '/$'
head -c 20000000 /dev/zero | gzip -1 | gzip -dc | md5sum
