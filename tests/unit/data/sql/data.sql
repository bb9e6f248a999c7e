-- Tables of the planner's tests: small, deterministic, with NULL, NaN, infinities, vectors, a
-- tree, an empty table. peri_row is the row number; the tests hide it.
CREATE SCHEMA data;
CREATE TABLE data.groups AS SELECT
    i AS peri_row,
    i * 7 % 3001 AS id,
    (i // 500)::INTEGER AS snap,
    (hash(i) % 100000 / 100.0)::FLOAT AS mass,
    CASE WHEN i % 97 = 0 THEN 'nan'::DOUBLE WHEN i % 13 = 0 THEN NULL
         ELSE (hash(i + 1) % 1000000) / 1000.0 END AS rad,
    CASE WHEN i % 11 = 0 THEN NULL ELSE (hash(i + 2) % 40)::INTEGER END AS n,
    CASE WHEN i % 17 = 0 THEN NULL ELSE 'g' || (i % 29) END AS name,
    CASE WHEN i % 19 = 0 THEN NULL ELSE hash(i + 3) % 2 = 0 END AS flag,
    [(i % 100)::FLOAT, (i % 37)::FLOAT, (hash(i + 4) % 1000 / 10.0)::FLOAT]::FLOAT[3] AS pos,
    NULL::DOUBLE AS nothing,
    (9223372036854775807::UBIGINT + i) AS big
FROM range(3000) t(i);
CREATE TABLE data.subhalos AS SELECT
    i AS peri_row,
    i AS id,
    CASE WHEN i % 23 = 0 THEN -1 WHEN i % 41 = 0 THEN NULL ELSE i * 7 // 3 % 3001 END AS grp,
    (hash(i + 10) % 50000 / 64.0)::FLOAT AS mass,
    [(hash(i + 11) % 2000) / 8.0 - 125, (hash(i + 12) % 2000) / 8.0 - 125]::DOUBLE[2] AS vel,
    CASE WHEN i % 101 = 0 THEN 'nan'::DOUBLE ELSE (hash(i + 13) % 300) / 16.0 END AS sfr,
    (hash(i + 14) % 7)::TINYINT AS type,
    'sub' || (i % 50) AS name
FROM range(9000) t(i);
CREATE TABLE data.trees AS SELECT
    i AS peri_row,
    i AS id,
    CASE WHEN i = 0 THEN -1 ELSE (i - 1) // 2 END AS descendant,
    (10 - floor(log2(i + 1)))::INTEGER AS snap,
    (hash(i + 20) % 9000)::DOUBLE AS mass
FROM range(1500) t(i);
CREATE TABLE data.types AS
    SELECT row_number() OVER () - 1 AS peri_row, * FROM (VALUES
        (0::TINYINT, 'gas', 1.5), (1, 'dm', 2.0), (2, 'disk', NULL), (3, NULL, 0.25),
        (4, 'stars', 8.0), (9, 'none', 1.0)) v(type, label, weight);
CREATE TABLE data.empty AS
    SELECT 0::BIGINT AS peri_row, 0::BIGINT AS id, 0.5::DOUBLE AS x, ''::VARCHAR AS name
    WHERE false;
CREATE TABLE data.extremes AS
    SELECT row_number() OVER () - 1 AS peri_row, * FROM (VALUES
        (1::BIGINT, 1e308::DOUBLE, 1), (2, 'inf', 1), (3, '-inf', 2), (4, 'nan', 2),
        (5, -1e308, 3), (6, 0, 3), (7, '-0.0', 4), (8, NULL, 4), (9, 5e-324, 5)) v(id, x, k);
