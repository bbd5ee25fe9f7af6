#!/bin/bash
# The sqlite3 command line: journals, write-ahead log, indexes, two writers.
sqlite3 a.db 'PRAGMA journal_mode=DELETE; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, v REAL);'
(echo 'BEGIN;'; for i in $(seq 1 3000); do echo "INSERT INTO t VALUES($i, 'name $((i * 7919 % 3001))', $i / 3.0);"; done; echo 'COMMIT;') | sqlite3 a.db
sqlite3 a.db 'SELECT count(*), sum(id), max(name), round(avg(v), 6) FROM t; CREATE INDEX i ON t(name); SELECT * FROM t WHERE name > "name 2998" ORDER BY name; EXPLAIN QUERY PLAN SELECT * FROM t WHERE name = "x"; PRAGMA integrity_check;'
sqlite3 a.db 'PRAGMA journal_mode=WAL; UPDATE t SET v = v * 2 WHERE id % 2; PRAGMA wal_checkpoint(TRUNCATE); SELECT sum(v) FROM t;'; ls a.db*
for w in 1 2 3 4; do (for i in $(seq 1 20); do echo ".timeout 20000
INSERT INTO t(name, v) VALUES('writer $w', $i);"; done | sqlite3 a.db) & done; wait
sqlite3 a.db 'SELECT name, count(*) FROM t WHERE name LIKE "writer%" GROUP BY name; PRAGMA integrity_check;'
sqlite3 a.db 'SELECT name, v FROM t ORDER BY name, v' | md5sum; sqlite3 a.db .dump | sqlite3 b.db; sqlite3 b.db 'SELECT count(*) FROM t;'; sqlite3 a.db 'VACUUM; PRAGMA page_count;'; sqlite3 a.db '.backup c.db'; sqlite3 c.db 'SELECT count(*) FROM t'; sqlite3 -json a.db 'SELECT id, name FROM t LIMIT 2'; sqlite3 a.db 'BEGIN; DELETE FROM t; ROLLBACK; SELECT count(*) FROM t; BEGIN; DELETE FROM t WHERE id > 10; COMMIT; SELECT count(*) FROM t; SELECT * FROM nothing'; echo $?
sqlite3 /no/such/dir/x.db 'CREATE TABLE x(a)'; echo $?; sqlite3 a.db 'PRAGMA mmap_size=10000000; SELECT group_concat(id) FROM t'; sqlite3 ':memory:' 'WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x<200000) SELECT sum(x) FROM c'
