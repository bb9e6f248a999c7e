-- Queries that must give the same rows with every number of ranks, with and without the index,
-- and in plain DuckDB. Tables: see test_same_rows.py. A query ends in ";" at the end of a line.
-- A line "-- ordered" before one: the order of its rows is part of the answer.
-- "-- rel 1e-5": numbers may differ by that much (sums of float32).

-- counts, sums, extremes, moments
SELECT count(*) FROM stars;
SELECT count(x), count(*) - count(x) AS nulls FROM stars;
SELECT count(opt), sum(opt) FROM stars;
SELECT sum(id), min(id), max(id), avg(id) FROM stars;
SELECT sum(u8), sum(u64), max(u64), sum(kind), sum(be) FROM stars;
SELECT min(y), max(y), sum(y), avg(y) FROM stars;
SELECT min(x), max(x) FROM stars;
SELECT min(mass), max(mass), sum(mass), avg(mass) FROM stars WHERE isfinite(mass);
SELECT sum(half), avg(half), min(half), max(half) FROM stars;
SELECT stddev(y), var_samp(y), stddev_pop(y), var_pop(y) FROM stars;
SELECT bool_and(flag), bool_or(flag), count(*) FILTER (WHERE flag) FROM stars;
SELECT count(DISTINCT kind), count(DISTINCT name), count(DISTINCT be) FROM stars;
SELECT min(name), max(name), min(label), max(label) FROM stars;
SELECT median(y), quantile_cont(y, 0.9), mode(kind) FROM stars;
SELECT corr(y, z), covar_samp(y, z), regr_slope(y, z) FROM stars;
SELECT arg_max(id, y), arg_min(id, y) FROM stars;
SELECT sum(DISTINCT kind), avg(DISTINCT kind) FROM stars;
SELECT bit_and(u8), bit_or(u8), bit_xor(id) FROM stars;
SELECT string_agg(DISTINCT name, ',' ORDER BY name) FROM stars WHERE kind < 3;
SELECT count(*) AS n, sum(id) AS s, sum(id) / count(*) AS mean FROM stars WHERE false;
SELECT histogram(kind)::VARCHAR AS h FROM stars WHERE id < 30000;
SELECT list_sort(list(DISTINCT kind)) FROM stars;
SELECT sum(CASE WHEN flag THEN 1 ELSE 0 END), sum(CAST(kind AS DOUBLE) * 0.5) FROM stars;

-- filters: what the index can and cannot use, NaN, NULL, edges
SELECT count(*), sum(id) FROM stars WHERE id BETWEEN 70000 AND 71000;
-- ordered
SELECT id, y FROM stars WHERE id = 123456 OR id = 99999 OR id = 1 ORDER BY id;
SELECT id, kind, name FROM stars WHERE id IN (3, 60003, 180003, 999999999, -4);
SELECT count(*) FROM stars WHERE id < 0;
SELECT count(*) FROM stars WHERE id >= 359997;
SELECT count(*) FROM stars WHERE id > 100000 AND id < 100000;
SELECT count(*) FROM stars WHERE 50000 <= id AND NOT (id > 60000);
SELECT count(*) FROM stars WHERE id <> 300 AND id < 1200;
SELECT count(*) FROM stars WHERE id > 1e5;
SELECT count(*) FROM stars WHERE id = 300.5;
SELECT count(*) FROM stars WHERE id < NULL;
SELECT count(*) FROM stars WHERE x > 0.5;
SELECT count(*) FROM stars WHERE x = 'nan'::FLOAT;
SELECT count(*) FROM stars WHERE isnan(x);
SELECT count(*) FROM stars WHERE x >= 'inf'::FLOAT;
SELECT count(*) FROM stars WHERE mass > 1e300;
SELECT count(*) FROM stars WHERE mass = '-inf'::DOUBLE;
SELECT count(*) FROM stars WHERE y > 0.1 AND y < 0.1005;
SELECT count(*) FROM stars WHERE half = 18.5 AND y < 0.1::FLOAT;
SELECT count(*) FROM stars WHERE y = 0.1;
SELECT count(*) FROM stars WHERE opt IS NULL;
SELECT count(*) FROM stars WHERE opt IS NOT NULL AND opt < 0.25;
SELECT count(*) FROM stars WHERE flag AND NOT (kind = 2);
SELECT count(*) FROM stars WHERE u64 > 18446744073709000000;
SELECT count(*) FROM stars WHERE be < -900000000;
SELECT count(*) FROM stars WHERE name = 'rr_lyr' AND kind > 3;
SELECT count(*) FROM stars WHERE name LIKE 'ce%' OR label LIKE '%é%';
SELECT count(*) FROM stars WHERE label = '';
SELECT count(*) FROM stars WHERE sorted_f BETWEEN 0.25 AND 0.2501;
SELECT count(*) FROM stars WHERE sorted_f >= 0.999 AND kind = 1;
SELECT count(*) FROM stars WHERE pos[1] < 1.0 AND pos[3] > 9.0;
SELECT count(*) FROM stars WHERE sqrt(pos[1]^2 + pos[2]^2 + pos[3]^2) < 2;
SELECT count(*) FROM stars WHERE id % 3000 = 0 AND (kind = 1 OR kind = 2) AND id > 1000;
SELECT count(*) FROM stars WHERE id BETWEEN 10000 AND 20000 OR id BETWEEN 200000 AND 210000;
SELECT count(*) FROM stars WHERE kind IN (SELECT kind FROM kinds WHERE weight > 1);
SELECT count(*) FROM stars WHERE y > (SELECT avg(y) FROM stars);
SELECT count(*) FROM stars WHERE id > (SELECT max(id) - 600 FROM stars);

-- rows as they are
-- ordered
SELECT id, x, y, z FROM stars WHERE id < 300 ORDER BY id;
-- ordered
SELECT id, pos, pos[2] AS py FROM stars WHERE id BETWEEN 119900 AND 120200 ORDER BY id;
-- ordered
-- rel 1e-7
SELECT id, name, label, flag, half, be, u64, opt FROM stars WHERE id % 9000 = 3 ORDER BY id;
SELECT id * 2 + 1 AS odd, upper(name) AS loud, y::DOUBLE AS yd, 'a' || kind AS s FROM stars
    WHERE id % 6000 = 0;
SELECT DISTINCT kind, flag FROM stars;
SELECT DISTINCT name FROM stars ORDER BY name DESC;
-- ordered
SELECT id, mass FROM stars WHERE isfinite(mass) ORDER BY mass DESC, id LIMIT 7;
-- ordered
SELECT id, y FROM stars ORDER BY y, id LIMIT 10 OFFSET 5;
-- ordered
SELECT x, id FROM stars ORDER BY x DESC NULLS LAST, id LIMIT 12;
-- ordered
SELECT opt, id FROM stars ORDER BY opt NULLS FIRST, id DESC LIMIT 5;
SELECT count(*) FROM (SELECT id FROM stars LIMIT 1000);
SELECT count(*) FROM (SELECT id FROM stars LIMIT 0);
SELECT file, count(*), min(row), max(row) FROM stars GROUP BY file;
SELECT file, row, id FROM stars WHERE row < 2;
SELECT count(*) FROM stars WHERE file = 'stars.2.hdf5' AND row >= 29990;
SELECT count(*), sum(idx), max(id - 3 * idx) FROM stars WHERE idx BETWEEN 39990 AND 70010;
SELECT snapnum, max(idx), sum(hid - idx) FROM halos GROUP BY snapnum;
SELECT a.hid, a.m, b.m AS before FROM halos a JOIN halos b
    ON a.parent = b.idx AND a.snapnum = b.snapnum + 1 WHERE a.snapnum = 3 AND a.m > 2.5;
SELECT count(*) FROM halos WHERE snapnum = 2;
SELECT snapnum, count(*), sum(m) FROM halos WHERE snapnum >= 2 GROUP BY snapnum;
SELECT snapnum, hid, m FROM halos WHERE hid = 17;

-- groups
SELECT kind, count(*), sum(y), avg(mass) FROM stars WHERE isfinite(mass) GROUP BY kind;
SELECT kind, flag, count(*), min(id), max(id) FROM stars GROUP BY kind, flag;
SELECT name, count(*) AS n FROM stars GROUP BY name HAVING count(*) > 24000;
SELECT floor(y * 20) / 20 AS bin, count(*), avg(z) FROM stars GROUP BY bin;
-- ordered
SELECT kind, count(*) AS n FROM stars GROUP BY kind ORDER BY n DESC, kind;
-- ordered
SELECT id // 36000 AS slice, sum(y) AS s FROM stars GROUP BY 1 ORDER BY 1;
SELECT kind, count(DISTINCT name) FROM stars GROUP BY kind;
SELECT kind, stddev(y), median(z), count(*) FILTER (WHERE flag) FROM stars GROUP BY kind;
SELECT kind, flag, count(*) FROM stars GROUP BY ROLLUP (kind, flag);
SELECT kind, flag, sum(u8) FROM stars GROUP BY GROUPING SETS ((kind), (flag), ());
SELECT opt IS NULL AS missing, count(*) FROM stars GROUP BY ALL;
SELECT id % 5000 AS k, count(*) AS n, sum(be) FROM stars GROUP BY k HAVING sum(be) > 9e9;
-- ordered
SELECT kind, max(y) - min(y) AS spread FROM stars GROUP BY kind ORDER BY spread DESC LIMIT 3;
SELECT round(log10(mass), 1) AS dex, count(*) FROM stars WHERE mass > 0 AND isfinite(mass)
    GROUP BY dex;

-- joins
SELECT k.title, count(*), sum(s.y) FROM stars s JOIN kinds k ON s.kind = k.kind GROUP BY k.title;
SELECT k.title, count(s.id) FROM kinds k LEFT JOIN stars s ON s.kind = k.kind AND s.id < 900
    GROUP BY k.title;
SELECT count(*) FROM stars s LEFT JOIN kinds k USING (kind) WHERE k.kind IS NULL;
SELECT count(*) FROM stars s RIGHT JOIN kinds k USING (kind);
SELECT count(*) FROM stars s FULL JOIN kinds k USING (kind);
SELECT count(*), sum(s.id) FROM stars s SEMI JOIN kinds k ON s.kind = k.kind;
SELECT count(*) FROM stars s ANTI JOIN kinds k ON s.kind = k.kind;
SELECT count(*), sum(a.y * b.z) FROM stars a JOIN stars b ON a.id = b.id WHERE a.kind = 1;
SELECT count(*) FROM stars a JOIN stars b ON a.be = b.be WHERE a.id < b.id;
SELECT e.tag, count(*), avg(s.y) FROM events e JOIN stars s ON s.id = e.code * 3 GROUP BY e.tag;
SELECT count(*) FROM kinds a, kinds b WHERE a.weight < b.weight;
SELECT a.hid, a.m, b.m AS before FROM halos a JOIN halos b
    ON a.parent = b.hid AND a.snapnum = b.snapnum + 1 WHERE a.hid < 20;
SELECT s.id, k.title FROM stars s JOIN kinds k ON s.kind = k.kind
    WHERE s.id BETWEEN 180000 AND 180030 AND k.weight >= 1;
SELECT k.title, (SELECT count(*) FROM events e WHERE e.code % 5 = k.kind) AS n FROM kinds k;
SELECT count(*) FROM stars s WHERE EXISTS (SELECT 1 FROM events e WHERE e.code * 3 = s.id);
SELECT count(*) FROM stars s WHERE s.kind NOT IN (SELECT kind FROM kinds);

-- CTEs, unions, windows, sub-queries
WITH big AS (SELECT kind, y FROM stars WHERE y > 0.9) SELECT kind, count(*) FROM big GROUP BY kind;
WITH a AS (SELECT kind, avg(y) AS m FROM stars GROUP BY kind)
    SELECT s.kind, count(*) FROM stars s JOIN a ON s.kind = a.kind WHERE s.y > a.m GROUP BY s.kind;
WITH RECURSIVE line(snap, h) AS (
        SELECT 3, hid FROM halos WHERE snapnum = 3 AND hid = 5
        UNION ALL
        SELECT line.snap - 1, b.parent FROM line JOIN halos AS b
            ON b.snapnum = line.snap AND b.hid = line.h WHERE line.snap > 1)
    SELECT * FROM line;
SELECT id FROM stars WHERE id < 30 UNION ALL SELECT code FROM events WHERE code < 30;
SELECT kind FROM stars UNION SELECT kind FROM kinds;
SELECT kind FROM kinds EXCEPT SELECT kind FROM stars WHERE id < 10000;
SELECT kind FROM kinds INTERSECT SELECT kind FROM stars;
SELECT count(*) AS n, 'stars' AS what FROM stars UNION ALL SELECT count(*), 'events' FROM events;
-- ordered
SELECT id, rank() OVER (ORDER BY y DESC, id) AS r FROM stars WHERE id < 3000 ORDER BY r LIMIT 9;
SELECT kind, id FROM (SELECT kind, id, row_number() OVER (PARTITION BY kind ORDER BY y, id) AS n
    FROM stars) WHERE n <= 2;
SELECT kind, id, y FROM stars QUALIFY row_number() OVER (PARTITION BY kind ORDER BY z, id) = 1;
SELECT avg(n), max(n) FROM (SELECT kind, count(*) AS n FROM stars GROUP BY kind);
SELECT max(s) FROM (SELECT sum(y) AS s FROM stars GROUP BY id % 100);
SELECT 1 + 1 AS two, 'x' AS x;
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(i, s);
SELECT s.kind, v.w, count(*) FROM stars s JOIN (VALUES (1, 10), (2, 20)) AS v(k, w)
    ON s.kind = v.k GROUP BY ALL;

-- the compound table and the small ones, whole
SELECT count(*), sum(t), sum(code), min(tag), max(tag), sum(bef) FROM events;
SELECT * FROM events WHERE code BETWEEN 100 AND 140;
SELECT tag, count(*), avg(v[1]), avg(v[2]) FROM events GROUP BY tag;
-- ordered
SELECT t, code FROM events ORDER BY t DESC LIMIT 4;
SELECT * FROM kinds;
SELECT hid % 3 AS k, sum(m) FROM halos GROUP BY k;
SELECT * FROM stars WHERE id = 120000;
SELECT COLUMNS('^(x|y|z)$') FROM stars WHERE id = 60000;
SELECT * EXCLUDE (pos, label) REPLACE (y * 2 AS y) FROM stars WHERE id = 90000;

-- positions in a periodic box
SELECT count(*), sum(id) FROM stars WHERE in_sphere(pos, [9.9, 0.2, 5], 1.5, 10);
SELECT count(*), sum(id) FROM stars WHERE in_box(pos, [8, -1, 4], [12, 1, 6], 10) AND kind = 2;
-- ordered
SELECT id, distance(pos, [9.9, 0.2, 5], 10) AS d FROM stars WHERE in_sphere(pos, [9.9, 0.2, 5], 1, 10)
    ORDER BY d, id LIMIT 10;
SELECT count(*), sum(s.id) FROM stars s JOIN halos h
    ON in_sphere(s.pos, [h.m, 9.9, h.hid / 10], 0.2 + h.m / 10, 10) WHERE h.snapnum = 2;
SELECT h.hid, count(*) FROM stars s, halos h
    WHERE distance([h.m, 0.1, h.hid / 10], s.pos, 10) < 0.3 AND h.snapnum = 3 GROUP BY h.hid;
SELECT count(*), min(id) FROM stars WHERE id BETWEEN (SELECT min(code) * 3 FROM events)
    AND (SELECT 3 * hid FROM halos WHERE snapnum = 3 AND hid = 77);
SELECT count(*), sum(s.id) FROM halos h JOIN stars s ON s.id BETWEEN h.hid * 3 AND h.hid * 3 + 30
    WHERE h.snapnum = 3 AND h.m > 2;
