#!/bin/bash
# A thousand forks, then a hundred at once, then a deep nest.
n=0; for ((i = 0; i < 1000; i++)); do n=$((n + $(echo 1))); done; echo $n
for ((i = 0; i < 100; i++)); do (exit $((i % 7))) & pids+=($!); done
sum=0; for pid in "${pids[@]}"; do wait "$pid"; sum=$((sum + $?)); done; echo $sum
nest() { if (($1 > 0)); then (nest $(($1 - 1)); exit $(($? + 1))); else return 0; fi; }
nest 40; echo "depth $?"
for ((i = 0; i < 100; i++)); do /bin/true; done; echo done
