#!/usr/bin/python3
"""Threads: locks, queues, conditions, timers, a pool, thread-local data, many of them."""
import concurrent.futures
import queue
import threading
import time

counter, lock = 0, threading.Lock()


def count():
    global counter
    for _ in range(2000):
        with lock:
            counter += 1


threads = [threading.Thread(target=count) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print("counter", counter)

jobs, results = queue.Queue(4), queue.Queue()


def worker():
    while (n := jobs.get()) is not None:
        results.put(n * n)


threads = [threading.Thread(target=worker) for _ in range(3)]
[t.start() for t in threads]
for n in range(200):
    jobs.put(n)
for _ in threads:
    jobs.put(None)
[t.join() for t in threads]
print("squares", sum(results.get() for _ in range(200)))

condition, turn, log = threading.Condition(), 0, []


def player(me):
    global turn
    for _ in range(50):
        with condition:
            condition.wait_for(lambda: turn == me)
            log.append(me)
            turn = 1 - turn
            condition.notify_all()


pair = [threading.Thread(target=player, args=(n,)) for n in (0, 1)]
[t.start() for t in pair]
[t.join() for t in pair]
print("ping-pong", log == [0, 1] * 50)

event, start = threading.Event(), time.monotonic()
print("event in time", event.wait(0.05), time.monotonic() - start >= 0.05)
timer = threading.Timer(0.02, event.set)
timer.start()
print("timer", event.wait(5))
barrier, local = threading.Barrier(10), threading.local()
seen = []


def meet(n):
    local.value = n
    barrier.wait()
    time.sleep(0.001)
    seen.append(local.value == n)


many = [threading.Thread(target=meet, args=(n,)) for n in range(10)]
[t.start() for t in many]
[t.join() for t in many]
print("barrier", len(seen), all(seen))
semaphore = threading.BoundedSemaphore(2)
with semaphore, semaphore:
    print("semaphore", semaphore.acquire(timeout=0.01))
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print("pool", sum(pool.map(lambda n: len(open("/etc/passwd", "rb").read()) > 0 and n, range(300))))
gate = threading.Event()
sleepers = [threading.Thread(target=gate.wait) for _ in range(200)]
[t.start() for t in sleepers]
print("alive", threading.active_count())
gate.set()
[t.join() for t in sleepers]
print("left", threading.active_count())
daemon = threading.Thread(target=time.sleep, args=(100,), daemon=True)
daemon.start()
print("end")
