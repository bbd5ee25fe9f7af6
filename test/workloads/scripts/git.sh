#!/bin/bash
# git from init to gc: deterministic names and dates.
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_PAGER=cat
tick() { stamp=$((${stamp:-1700000000} + 60)); export GIT_AUTHOR_DATE="$stamp +0000" GIT_COMMITTER_DATE="$stamp +0000"; }
git init -q -b main repo; cd repo || exit 1
git config pack.threads 1  # more of them choose deltas by who is first
for i in $(seq 1 40); do tick; mkdir -p d$((i % 5)); seq $i $((i + 50)) > d$((i % 5))/f$i; git add . && git commit -qm "commit $i"; done
git log --oneline | head -n 3; git rev-parse HEAD; git count-objects | cut -d' ' -f1
git checkout -q -b side HEAD~5; tick; echo side >> d1/f1; git commit -qam side; tick; echo more > side.txt; git add .; git commit -qm 'more side'
git checkout -q main; tick; git merge -q -m merge side; git log --graph --oneline | head -n 5; git rev-parse HEAD
git checkout -q -b conflict HEAD~1; tick; echo conflict >> d1/f1; git commit -qam conflict; git merge -q main; echo "merge: $?"; git status --short | head -n 3; git diff | head -n 12; git merge --abort; git checkout -q main
git tag -a v1 -m one; git describe; git blame d1/f1 | tail -n 2; git diff --stat HEAD~3 | tail -n 3; git show --stat HEAD~2 | tail -n 3; git stash list; echo dirty >> d2/f2; tick; git stash -q; git status -s; git stash pop -q; git status -s; git checkout -q .
tick; git rebase -q conflict~1 side 2>&1 | tail -n 1; git rev-parse HEAD; git checkout -q main; git grep -c 33 | wc -l; git ls-files | md5sum; git rm -q d3/f3; git mv d2/f2 moved; git status -s; tick; git commit -qm moves; git cherry-pick side~0 > /dev/null 2>&1; echo $?; git cherry-pick --abort 2> /dev/null
git gc -q --prune=now; git count-objects -v | grep -v size; git fsck --full --strict; git repack -adq; git verify-pack -v .git/objects/pack/*.idx | md5sum
cd ..; git clone -q repo clone; cd clone || exit 1; git log --oneline | wc -l; tick; echo x > x; git add x; git commit -qm x; git push -q origin HEAD:pushed; git -C ../repo rev-parse pushed; git fetch -q; git branch -a; git worktree add -q ../wt pushed~1; ls ../wt | wc -l; git bundle create -q b.bundle --all; git bundle verify -q b.bundle; echo $?; git archive HEAD | md5sum; git submodule status; git reflog | wc -l; git bisect start -q HEAD HEAD~10 2>&1 | tail -n 1; git bisect run sh -c 'test ! -e moved' 2>&1 | grep -c 'first bad'; git format-patch -q -2; ls *.patch; git checkout -q nothing; echo $?
