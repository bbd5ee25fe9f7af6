#!/bin/bash
# diff, patch, cmp, dc, ed-like work with sed, and m4-like templates with envsubst-like awk.
seq 1 200 > a; sed '50,60d; 100s/$/ changed/; 150a added' a > b; diff -u --label a --label b a b > p; echo "diff: $?"; wc -l p; cp a c; patch --version > /dev/null 2>&1 && patch -s c p; diff a b | md5sum; diff -y -W 40 a b | tail -n 3; diff -q a b; cmp a b; cmp -l a b | head -n 3 | awk '{ print NF }'; sdiff -s a b | wc -l; diff3 a b a | head -n 5; diff -rN --brief . /dev/null 2>&1 | head -n 1
mkdir x y; for i in 1 2 3; do echo $i > x/$i; echo $i > y/$i; done; echo more >> y/2; rm y/3; diff -r x y; echo $?
for w in apple banana cherry; do printf 'Hello @NAME@, you owe @SUM@.\n' | sed "s/@NAME@/$w/; s/@SUM@/$((${#w} * 7))/"; done
paste -d'\n' x/1 x/2; look root /etc/passwd 2> /dev/null | wc -l; tr -dc 'a-z' < /usr/share/common-licenses/GPL-3 | fold -w 1 | sort | uniq -c | sort -rn | head -n 5; tr -cs 'A-Za-z' '\n' < /usr/share/common-licenses/GPL-3 | sort -f | uniq -ci | sort -k1,1nr -k2 | head -n 8
