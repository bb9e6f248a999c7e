-- Statements that give the same rows with any number of ranks as in plain DuckDB.
-- One a paragraph; the comment line before it has a name and flags:
--   ordered   the rows come in this order    split | gather   how it is planned for many ranks
--   reference the next statement is what plain DuckDB runs instead (for virtual columns)
-- Tables: data.sql, as dataset `sim`, which is also the context.

-- star split
SELECT * FROM groups

-- star_qualified split
SELECT * FROM sim.subhalos

-- project split
SELECT id, mass * 2 AS m2, sqrt(rad) r, upper(name) FROM groups

-- three_part_names split
SELECT sim.groups.id, sim.groups.mass + 1 FROM sim.groups WHERE sim.groups.snap = 2

-- file_name split
SELECT count(*), sum(mass) FROM 'groups.hdf5:/Group'

-- file_name_columns split
SELECT g.id, g.pos[1] FROM 'groups.hdf5:/Group' g WHERE g.pos[1] > 90

-- filter_range split
SELECT id, mass FROM groups WHERE mass BETWEEN 100 AND 200.5 AND snap IN (1, 3, NULL)

-- filter_or split
SELECT id FROM groups WHERE mass > 990 OR n = 7 OR name = 'g3'

-- filter_nan split
SELECT id, rad FROM groups WHERE rad > 900

-- filter_null_compare split
SELECT id FROM groups WHERE n = NULL

-- filter_bool split
SELECT id FROM groups WHERE flag AND NOT (n > 20)

-- filter_not_bool split
SELECT id FROM groups WHERE NOT flag AND n IS NOT NULL

-- filter_float_decimal split
SELECT id, mass FROM groups WHERE mass >= 500.1 AND mass < 5.2e2

-- filter_negative split
SELECT id FROM subhalos WHERE vel[1] > -100.5 AND vel[1] < -(90) AND grp >= -1

-- filter_mirrored split
SELECT id FROM subhalos WHERE 8990 <= id AND 0 < type

-- filter_big split
SELECT id, big FROM groups WHERE big >= 9223372036854775807 AND big < 9223372036854775900

-- filter_string split
SELECT id FROM groups WHERE name = 'g7' AND name LIKE 'g%'

-- filter_in_strings split
SELECT id FROM groups WHERE name IN ('g1', 'g2', 'nope')

-- filter_is_null split
SELECT id FROM groups WHERE rad IS NULL

-- filter_cast split
SELECT id FROM groups WHERE n::DOUBLE / 2 = 3.5 AND snap < 4::BIGINT

-- component split
SELECT pos[1], pos[3], array_extract(pos, 2) FROM groups WHERE pos[2] = 5

-- case_expression split
SELECT id, CASE WHEN n > 30 THEN 'rich' WHEN n IS NULL THEN 'none' ELSE 'poor' END k FROM groups

-- list_lambda split
SELECT id, list_transform(pos::FLOAT[], lambda v: v * 2) AS l, list_sum([n, 1]) FROM groups WHERE id < 50

-- unnest_select split
SELECT id, unnest(pos) p FROM groups WHERE id < 100

-- unnest_lateral split
SELECT g.id, u.v FROM groups g, unnest(g.pos::FLOAT[]) u(v) WHERE g.id < 40 AND u.v > 3

-- range_cross split
SELECT id, r FROM groups, range(3) t(r) WHERE id % 500 = 0

-- struct_row split
SELECT {'a': id, 'b': mass} s FROM groups WHERE id < 10

-- whole_row split
SELECT g FROM groups g WHERE id < 5

-- columns_star split
SELECT COLUMNS('m.*') FROM groups WHERE id < 100

-- star_exclude split
SELECT * EXCLUDE (pos, big) REPLACE (mass / 2 AS mass) FROM groups WHERE snap = 1

-- virtual_columns split reference
SELECT id, file, row, snapnum FROM groups WHERE row < 20
SELECT id, file, row, snapnum FROM groups_v WHERE row < 20

-- virtual_star split reference
SELECT *, file AS f FROM groups WHERE row = 3
SELECT * EXCLUDE (file, row, snapnum), file AS f FROM groups_v WHERE row = 3

-- virtual_group split reference ordered
SELECT snapnum, file, count(*) c FROM groups GROUP BY ALL ORDER BY 1, 2
SELECT snapnum, file, count(*) c FROM groups_v GROUP BY ALL ORDER BY 1, 2

-- virtual_join split reference
SELECT g.file, s.id FROM groups g JOIN subhalos s ON s.grp = g.id WHERE g.row < 3
SELECT g.file, s.id FROM groups_v g JOIN subhalos s ON s.grp = g.id WHERE g.row < 3

-- limit split
SELECT count(*) FROM (SELECT id FROM groups LIMIT 100)

-- limit_first_rows split ordered
SELECT id FROM groups LIMIT 10

-- limit_offset split ordered
SELECT id FROM groups LIMIT 10 OFFSET 1495

-- limit_zero split
SELECT id FROM groups LIMIT 0

-- offset_only split ordered
SELECT id FROM groups OFFSET 2990

-- limit_percent split
SELECT count(*) FROM (SELECT id FROM groups LIMIT 10%)

-- limit_subquery gather ordered
SELECT id FROM trees ORDER BY id LIMIT (SELECT count(*) // 2 FROM types)

-- order_by split ordered
SELECT id, mass FROM groups WHERE n < 5 ORDER BY mass DESC, id

-- order_limit split ordered
SELECT id, mass FROM groups ORDER BY mass DESC NULLS LAST, id LIMIT 7 OFFSET 3

-- order_hidden split ordered
SELECT name FROM groups ORDER BY id LIMIT 20

-- order_hidden_expression split ordered
SELECT id FROM groups ORDER BY mass * n DESC NULLS LAST, id LIMIT 20

-- order_nulls_first split ordered
SELECT id, rad FROM groups ORDER BY rad NULLS FIRST, id LIMIT 300

-- order_nan split ordered
SELECT id, rad FROM groups WHERE rad IS NOT NULL ORDER BY rad DESC, id LIMIT 60

-- order_alias_shadows_column split ordered
SELECT -id AS mass, id FROM groups ORDER BY mass LIMIT 5

-- order_alias_in_expression split ordered
SELECT id * 2 AS twice FROM groups ORDER BY twice + 1 DESC LIMIT 5

-- order_ordinal split ordered
SELECT name, id FROM groups ORDER BY 2 DESC LIMIT 5

-- order_all split ordered
SELECT snap, n FROM groups ORDER BY ALL LIMIT 50

-- order_star split ordered
SELECT * FROM types ORDER BY label NULLS FIRST

-- order_star_hidden split ordered
SELECT * FROM trees ORDER BY mass % 100, id LIMIT 9

-- order_star_alias split ordered
SELECT *, -id AS k FROM trees ORDER BY k LIMIT 9

-- order_collate gather ordered
SELECT DISTINCT name FROM groups WHERE n = 3 ORDER BY name COLLATE NOCASE

-- distinct split
SELECT DISTINCT name, snap FROM groups

-- distinct_order split ordered
SELECT DISTINCT n FROM groups ORDER BY n DESC NULLS LAST LIMIT 5

-- distinct_expression split
SELECT DISTINCT n % 5, flag FROM groups

-- distinct_nan split
SELECT DISTINCT rad FROM groups WHERE rad IS NULL OR rad > 999

-- distinct_on gather ordered
SELECT DISTINCT ON (snap) snap, id FROM groups ORDER BY snap, id

-- count split
SELECT count(*) FROM groups

-- count_nulls split
SELECT count(n), count(nothing), count(*) FILTER (WHERE n > 5), count_if(flag) FROM groups

-- aggregates split
SELECT sum(n), avg(n), min(mass), max(mass), sum(mass), avg(rad), min(name), max(name) FROM groups WHERE rad < 500

-- aggregates_empty split
SELECT count(*), count(x), sum(x), avg(x), min(x), max(name), stddev(x), first(x), bool_and(x > 1), product(x), corr(x, x), histogram(name), arg_min(name, x) FROM empty

-- every_aggregate_groups split
SELECT n, count(rad), count_if(rad > 500), countif(flag), sum(rad), avg(rad), fsum(n), favg(n), kahan_sum(snap), min(name), max(rad), bool_and(flag), bool_or(rad > 3), bit_and(snap), bit_or(id), bit_xor(id), product(1 + snap / 1e5), any_value(nothing), stddev(snap), var_pop(id), sem(snap), covar_pop(id, snap), covar_samp(snap, id), corr(id, snap), arg_min(id, mass * 1e5 + id), arg_max(id, nothing), histogram(snap) FROM groups GROUP BY n

-- every_aggregate_single_rows split
SELECT id, count(nothing), count_if(nothing > 5), sum(nothing), avg(nothing), fsum(nothing), favg(nothing), min(nothing), bool_and(nothing > 1), bit_xor(n), product(nothing), any_value(nothing), stddev(nothing), var_pop(nothing), sem(nothing), covar_pop(id, nothing), corr(id, nothing), arg_min(nothing, id), arg_max(id, nothing), histogram(nothing), first(n), last(name) FROM groups WHERE id < 60 GROUP BY id

-- every_aggregate_nothing split
SELECT count_if(flag), countif(flag), bit_and(n), bit_or(n), bit_xor(n), bool_or(flag), product(n), sem(n), kahan_sum(n), favg(n), arg_max(n, id), any_value(n), last(n), covar_samp(n, id), max(DISTINCT n) FROM groups WHERE id < 0

-- distinct_aggregates_nothing split
SELECT sum(DISTINCT n), count(DISTINCT n), count(*), avg(DISTINCT n), count_if(flag) FROM groups WHERE id < 0

-- every_aggregate_filter split
SELECT snap, count_if(flag) FILTER (WHERE n > 35), sum(n) FILTER (WHERE n > 38), avg(n) FILTER (WHERE n > 38 AND flag), stddev(mass) FILTER (WHERE n = 39), corr(mass, n) FILTER (WHERE flag), arg_max(id, id) FILTER (WHERE n < 3), histogram(n) FILTER (WHERE n < 3), max(name) FILTER (WHERE nothing > 0), covar_pop(n, id) FILTER (WHERE n IN (1, 2)) FROM groups GROUP BY snap ORDER BY snap

-- aggregates_filter_nothing split
SELECT count(*), sum(n), avg(n), var_pop(n) FROM groups WHERE id < -5

-- aggregates_all_null split
SELECT sum(nothing), avg(nothing), min(nothing), stddev_pop(nothing), any_value(nothing), covar_pop(nothing, mass) FROM groups

-- group_all_null split
SELECT nothing, count(*), sum(nothing) FROM groups GROUP BY nothing

-- moments split
SELECT stddev(mass), stddev_samp(n), stddev_pop(n), variance(mass), var_samp(mass), var_pop(mass), sem(mass) FROM groups

-- moments_large_mean split
SELECT var_pop(100000 + n), stddev(100000 + n), covar_samp(100000 + n, 200000 + snap), corr(100000 + n, 100000 + 3 * n) FROM groups

-- moments_groups split
SELECT snap, flag, stddev(mass) s, var_samp(n) v, corr(mass, n) c, covar_pop(mass, rad) p FROM groups WHERE rad < 1000 GROUP BY snap, flag

-- moments_single_rows split
SELECT id, stddev(mass), var_pop(mass), sem(mass), covar_samp(mass, n), covar_pop(mass, n) FROM groups WHERE id < 30 GROUP BY id

-- corr_constant split
SELECT corr(mass, 1.0), corr(1, n) FROM groups

-- kahan split
SELECT fsum(mass), favg(mass), kahan_sum(mass), sumkahan(n) FROM groups

-- bits split
SELECT bit_and(id), bit_or(id), bit_xor(id), bool_and(id >= 0), bool_or(flag) FROM groups

-- product split
SELECT product(1 + n / 100000.0) FROM groups

-- arg_extremes split
SELECT arg_max(id, mass + id / 1e6), arg_min(name, id), max_by(id, n * 10000 + id), min_by(nothing, id) FROM groups

-- first_last split
SELECT first(id), last(id), any_value(name), arbitrary(snap) FROM groups

-- first_filter split
SELECT first(id) FILTER (WHERE id = 2999), last(n) FILTER (WHERE id < 0) FROM groups

-- histogram split
SELECT histogram(snap), histogram(flag) FROM groups

-- histogram_groups split
SELECT type, histogram(id % 4) h FROM subhalos GROUP BY type

-- group_by split
SELECT snap, count(*), sum(n), avg(mass) FROM groups GROUP BY snap

-- group_by_null_key split
SELECT n, name, count(*), min(id) FROM groups GROUP BY n, name

-- group_by_nan_key split
SELECT rad, count(*) FROM groups WHERE rad > 990 OR rad IS NULL GROUP BY rad

-- group_by_expression split
SELECT floor(mass / 100) * 100 AS bin, count(*) AS c FROM groups GROUP BY floor(mass / 100)

-- group_by_alias split
SELECT floor(log10(mass + 1) * 4) AS bin, count(*) AS c, avg(rad) FROM groups WHERE rad < 900 GROUP BY bin

-- group_by_ordinal split ordered
SELECT snap, flag, count(*) FROM groups GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST

-- group_by_all split
SELECT snap % 2, flag, count(*) + 1, sum(mass) / count(*) FROM groups GROUP BY ALL

-- group_by_qualified split
SELECT g.snap, G.SNAP + 1, count(*) FROM groups g GROUP BY snap

-- group_expression_in_larger split
SELECT (n % 3) * 10 + 1 AS k, sum(mass) / (n % 3 + 1) FROM groups GROUP BY n % 3

-- group_alias_shadows_column split
SELECT n % 2 AS snap, count(*) FROM groups GROUP BY n % 2

-- group_column_before_alias split
SELECT snap + 100 AS name, name AS x, count(*) FROM groups GROUP BY name, snap

-- group_empty_set split
SELECT count(*), sum(mass) FROM groups GROUP BY ()

-- group_constant split
SELECT 'all' AS k, count(*) FROM groups GROUP BY k

-- lateral_alias split
SELECT snap AS s, sum(n) AS total, count(n) AS c, total / c AS mean FROM groups GROUP BY s

-- having split
SELECT n, count(*) FROM groups GROUP BY n HAVING count(*) > 70 AND n IS NOT NULL

-- having_alias split
SELECT n, sum(mass) AS m FROM groups GROUP BY n HAVING m > 35000

-- having_without_group split
SELECT count(*) FROM groups HAVING count(*) > 5

-- having_without_group_false split
SELECT sum(mass) FROM groups HAVING max(n) > 1000

-- having_only split
SELECT 42 FROM groups HAVING count(*) > 0

-- having_subquery split
SELECT snap, avg(mass) FROM groups GROUP BY snap HAVING avg(mass) > (SELECT avg(mass) FROM groups)

-- order_by_aggregate split ordered
SELECT n FROM groups GROUP BY n ORDER BY count(*) DESC, n LIMIT 5

-- order_by_aggregate_alias split ordered
SELECT name, avg(mass) AS m FROM groups GROUP BY name ORDER BY m DESC, name LIMIT 6

-- order_by_group_expression split ordered
SELECT n % 7 AS k, count(*) FROM groups GROUP BY n % 7 ORDER BY n % 7 NULLS FIRST

-- order_by_ungrouped_total split ordered
SELECT snap, sum(n) FROM groups GROUP BY snap ORDER BY sum(n) + max(id) LIMIT 3

-- distinct_aggregate split
SELECT DISTINCT count(*) > 80 FROM groups GROUP BY n

-- distinct_on_aggregate split ordered
SELECT DISTINCT ON (k) snap % 2 AS k, snap, count(*) FROM groups GROUP BY snap ORDER BY k, snap

-- count_distinct split
SELECT count(DISTINCT n), sum(DISTINCT n), count(*) FROM groups

-- count_distinct_groups split
SELECT snap, count(DISTINCT name), count(*), avg(mass), avg(DISTINCT n) FROM groups GROUP BY snap

-- count_distinct_filter split
SELECT snap, count(DISTINCT n) FILTER (WHERE flag), sum(mass) FILTER (WHERE n > 3) FROM groups GROUP BY snap

-- distinct_insensitive split
SELECT max(DISTINCT n), min(DISTINCT mass), bool_or(DISTINCT flag) FROM groups

-- window_over_aggregate split ordered
SELECT snap, sum(mass) m, rank() OVER (ORDER BY sum(mass) DESC) r FROM groups GROUP BY snap ORDER BY snap

-- window_share split ordered
SELECT n, count(*) c, count(*) / sum(count(*)) OVER () f FROM groups GROUP BY n ORDER BY n

-- qualify_over_aggregate split ordered
SELECT snap, n, count(*) c FROM groups GROUP BY snap, n QUALIFY row_number() OVER (PARTITION BY snap ORDER BY count(*) DESC, n) = 1 ORDER BY snap

-- aggregate_in_case split
SELECT CASE WHEN count(*) > 10 THEN max(mass) ELSE 0 END, coalesce(sum(nothing), -1), {'a': sum(n), 'b': count(*)} FROM groups

-- aggregate_cast split
SELECT sum(n)::INTEGER, round(avg(mass), 3), sum(mass::DECIMAL(18, 3)), sum(flag::INTEGER) FROM groups

-- aggregate_lambda split
SELECT snap, list_transform([1, 2], lambda v: v * sum(n)) AS l FROM groups GROUP BY snap

-- median gather
SELECT median(mass), quantile_cont(rad, 0.9) FROM groups WHERE rad < 800 AND snap = 2

-- mode_groups gather
SELECT snap, mode(flag), mad(mass) FROM groups GROUP BY snap

-- string_agg_ordered gather
SELECT snap, string_agg(name, ',' ORDER BY id) FROM groups WHERE id < 200 GROUP BY snap

-- list_ordered gather
SELECT n, list(id ORDER BY id DESC) FROM groups WHERE id < 300 GROUP BY n

-- max_n gather
SELECT max(mass, 3), min(id, 4) FROM groups

-- approximate gather
SELECT approx_count_distinct(snap) > 3, entropy(snap), skewness(mass), kurtosis(mass) FROM groups

-- weighted gather
SELECT weighted_avg(mass, n) FROM groups

-- rollup gather
SELECT snap, flag, count(*), grouping(snap) FROM groups GROUP BY ROLLUP (snap, flag)

-- cube gather
SELECT snap, flag, sum(n) FROM groups GROUP BY CUBE (snap, flag)

-- grouping_sets gather
SELECT snap, n, count(*) FROM groups GROUP BY GROUPING SETS ((snap), (n), ())

-- window gather
SELECT id, row_number() OVER (PARTITION BY snap ORDER BY mass, id) r FROM groups

-- window_frame gather
SELECT id, sum(n) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) s, lag(id, 1, -1) OVER (ORDER BY id) l FROM groups WHERE snap < 3

-- qualify gather
SELECT id, snap FROM groups WHERE n > 3 QUALIFY row_number() OVER (PARTITION BY snap ORDER BY mass DESC, id) <= 2

-- join_inner split
SELECT g.id, s.id, s.mass FROM groups g JOIN subhalos s ON s.grp = g.id WHERE g.mass > 900

-- join_using split
SELECT s.id, label FROM subhalos s JOIN types USING (type)

-- join_natural split
SELECT id, label, weight FROM subhalos NATURAL JOIN types

-- join_left split
SELECT s.id, t.label FROM subhalos s LEFT JOIN types t ON s.type = t.type

-- join_left_filter_right split
SELECT s.id, t.label FROM subhalos s LEFT JOIN types t ON s.type = t.type WHERE t.weight > 1

-- join_left_null split
SELECT s.id FROM subhalos s LEFT JOIN groups g ON g.id = s.grp WHERE g.id IS NULL

-- join_left_small_left split
SELECT t.label, s.id FROM types t LEFT JOIN subhalos s ON s.type = t.type AND s.id < 100

-- join_right split
SELECT t.label, s.id FROM types t RIGHT JOIN subhalos s ON s.type = t.type AND t.weight > 1

-- join_full gather
SELECT t.label, s.id FROM types t FULL JOIN subhalos s ON s.type = t.type AND s.id < 50

-- join_full_filter gather
SELECT g.id, s.id FROM groups g FULL JOIN subhalos s ON s.grp = g.id WHERE g.mass > 990 AND s.type = 2

-- join_cross split
SELECT g.id, t.type FROM groups g, types t WHERE g.id < 20

-- join_semi split
SELECT id FROM subhalos SEMI JOIN types USING (type)

-- join_anti split
SELECT s.id FROM subhalos s ANTI JOIN types t ON s.type = t.type AND t.weight > 1

-- join_asof gather
SELECT s.id, g.id FROM subhalos s ASOF JOIN groups g ON s.mass >= g.mass WHERE s.id < 500 AND g.snap > 1

-- join_positional gather
SELECT a.id, b.id FROM groups a POSITIONAL JOIN trees b WHERE b.id > 10

-- join_three split
SELECT g.snap, t.label, count(*), sum(s.mass) FROM subhalos s JOIN groups g ON g.id = s.grp JOIN types t ON t.type = s.type GROUP BY g.snap, t.label

-- join_self split
SELECT a.id, b.id FROM trees a JOIN trees b ON b.descendant = a.id WHERE a.snap = 5

-- join_self_aggregate split ordered
SELECT a.snap, count(*), max(b.mass) FROM trees a JOIN trees b ON b.descendant = a.id GROUP BY a.snap ORDER BY a.snap

-- join_subquery_aggregate split
SELECT g.id, c.n FROM groups g JOIN (SELECT grp, count(*) AS n FROM subhalos GROUP BY grp) c ON c.grp = g.id WHERE c.n > 3

-- join_on_constant split
SELECT s.id FROM subhalos s JOIN types t ON t.type = s.type AND t.weight >= 2 AND s.id > 8000

-- join_empty split
SELECT g.id, e.x FROM groups g LEFT JOIN empty e ON e.id = g.id WHERE g.id < 30

-- join_inner_empty split
SELECT count(*), sum(e.x) FROM groups g JOIN empty e ON e.id = g.id

-- join_group_using split
SELECT type, label, count(*) FROM subhalos JOIN types USING (type) GROUP BY type, label

-- lateral split
SELECT g.id, l.m FROM groups g, LATERAL (SELECT max(s.mass) AS m FROM subhalos s WHERE s.grp = g.id) l WHERE g.id < 200

-- lateral_rows split
SELECT t.label, l.id FROM types t, LATERAL (SELECT s.id FROM subhalos s WHERE s.type = t.type AND s.id < 60) l

-- correlated_scalar split
SELECT g.id, (SELECT count(*) FROM subhalos s WHERE s.grp = g.id) AS c FROM groups g WHERE g.snap = 1

-- correlated_exists split
SELECT id FROM groups g WHERE EXISTS (SELECT 1 FROM subhalos s WHERE s.grp = g.id AND s.mass > 700)

-- correlated_not_exists split
SELECT id FROM groups g WHERE NOT EXISTS (SELECT * FROM subhalos s WHERE s.grp = g.id)

-- correlated_in split
SELECT id FROM groups g WHERE g.n IN (SELECT s.type FROM subhalos s WHERE s.grp = g.id)

-- correlated_outer_aggregate gather
SELECT (SELECT sum(g.mass)) FROM groups g

-- scalar_subquery split
SELECT id FROM groups WHERE mass > (SELECT avg(mass) + 2 * stddev(mass) / 1.2 FROM groups)

-- scalar_subquery_select split
SELECT id, mass / (SELECT max(mass) FROM groups) AS rel FROM groups WHERE id < 100

-- in_subquery split
SELECT count(*) FROM subhalos WHERE grp IN (SELECT id FROM groups WHERE mass > 950)

-- not_in_subquery_null split
SELECT count(*) FROM subhalos WHERE type NOT IN (SELECT n FROM groups WHERE id < 100)

-- any_all split
SELECT id FROM trees WHERE mass > ALL (SELECT mass FROM trees WHERE snap < 2 AND mass < 8000) OR mass = ANY (SELECT 5)

-- nested_aggregates split
SELECT avg(c), max(c) FROM (SELECT grp, count(*) AS c FROM subhalos GROUP BY grp)

-- nested_three split ordered
SELECT c, count(*) FROM (SELECT grp, count(*) AS c FROM (SELECT grp FROM subhalos WHERE mass > 100) GROUP BY grp) GROUP BY c ORDER BY c

-- subquery_rowwise split
SELECT x, count(*) FROM (SELECT floor(mass / 100) AS x, n FROM groups WHERE n > 2) WHERE x > 3 GROUP BY x

-- subquery_alias_columns split
SELECT a, sum(b) FROM (SELECT snap, mass FROM groups) q(a, b) GROUP BY q.a

-- table_alias_columns split
SELECT t.b, t.c FROM types t(a, b, c) WHERE t.c > 1

-- subquery_limit split
SELECT sum(id) FROM (SELECT id FROM trees ORDER BY mass DESC, id LIMIT 25)

-- subquery_distinct_count split
SELECT count(*) FROM (SELECT DISTINCT name, n FROM groups)

-- cte_once split
WITH big AS (SELECT * FROM groups WHERE mass > 500) SELECT snap, count(*) FROM big GROUP BY snap

-- cte_columns split
WITH big(k, m) AS (SELECT snap, mass FROM groups) SELECT k, max(m) FROM big GROUP BY k

-- cte_twice split
WITH c AS (SELECT grp, count(*) AS n FROM subhalos GROUP BY grp) SELECT max(a.n), count(b.n) FROM c a JOIN c b ON a.grp = b.grp

-- cte_twice_rowwise split
WITH m AS (SELECT max(mass) AS x, min(mass) AS y FROM groups) SELECT id FROM groups WHERE mass = (SELECT x FROM m) OR mass = (SELECT y FROM m)

-- cte_chain split
WITH a AS (SELECT id, mass FROM groups WHERE n > 1), b AS (SELECT id, mass * 2 AS m FROM a WHERE mass > 10) SELECT count(*), sum(m) FROM b

-- cte_shadows_table split
WITH groups AS (SELECT id, -mass AS mass FROM groups) SELECT min(mass) FROM groups

-- cte_materialized split
WITH c AS MATERIALIZED (SELECT snap, avg(mass) AS m FROM groups GROUP BY snap) SELECT a.snap, a.m - b.m FROM c a JOIN c b ON a.snap = b.snap + 1

-- cte_unused split
WITH c AS (SELECT * FROM subhalos) SELECT count(*) FROM trees

-- recursive_tree gather
WITH RECURSIVE prog AS (SELECT id, descendant, 0 AS depth FROM trees WHERE id = 3 UNION ALL SELECT t.id, t.descendant, depth + 1 FROM trees t JOIN prog p ON t.descendant = p.id) SELECT depth, count(*) FROM prog GROUP BY depth

-- recursive_main_branch gather ordered
WITH RECURSIVE b(id, snap, mass) AS (SELECT id, snap, mass FROM trees WHERE id = 0 UNION ALL SELECT n.id, n.snap, n.mass FROM b, LATERAL (SELECT * FROM trees t WHERE t.descendant = b.id ORDER BY t.mass DESC, t.id LIMIT 1) n) SELECT * FROM b ORDER BY snap DESC

-- union_all split
SELECT id, mass FROM groups WHERE n = 1 UNION ALL SELECT id, mass FROM subhalos WHERE type = 1

-- union split
SELECT snap, n FROM groups UNION SELECT type, type FROM subhalos

-- union_order split ordered
SELECT id AS k FROM trees WHERE id < 20 UNION ALL SELECT trees.id FROM types t JOIN trees ON t.type = trees.id ORDER BY k DESC LIMIT 7

-- union_by_name split
SELECT id, mass FROM groups WHERE id < 5 UNION ALL BY NAME SELECT name, id FROM subhalos WHERE id < 5

-- union_aggregates split ordered
SELECT 'g' AS k, count(*) AS c FROM groups UNION ALL SELECT 's', count(*) FROM subhalos ORDER BY k

-- union_with_values gather
SELECT trees.id FROM types t JOIN trees ON t.type = trees.id UNION ALL VALUES (1), (2)

-- union_all_aggregate split
SELECT k, count(*) FROM (SELECT snap AS k FROM groups UNION ALL SELECT type FROM subhalos) GROUP BY k

-- except gather
SELECT n FROM groups EXCEPT SELECT type FROM subhalos

-- intersect_all gather
SELECT snap FROM groups INTERSECT ALL SELECT type FROM subhalos

-- pivot gather
SELECT * FROM groups PIVOT (count(*) FOR flag IN (true, false) GROUP BY snap)

-- unpivot gather
SELECT * FROM (SELECT id, mass, rad FROM groups WHERE id < 10) UNPIVOT (v FOR k IN (mass, rad))

-- values_only split
SELECT a + 1 FROM (VALUES (1), (2)) v(a)

-- no_table split
SELECT 1 + 1 AS two, 'x' AS s, [1, 2] AS l

-- values_join split
SELECT s.id, v.n FROM subhalos s JOIN (VALUES (1, 'one'), (2, 'two')) v(t, n) ON v.t = s.type WHERE s.id < 200

-- double_constants split
SELECT id * 1e3, mass + 2.50, 5. * n FROM groups WHERE id < 10

-- infinite_constant split
SELECT id, 1e400 AS inf FROM groups WHERE id < 10

-- names_of_expressions split
SELECT id + 1, count(*), sum(n) / 2.0, 'text', -n FROM groups WHERE id < 10 GROUP BY id, n

-- duplicate_names split
SELECT id, id, mass AS id FROM groups WHERE id < 10

-- duplicate_names_limit split
SELECT id, mass AS id FROM groups ORDER BY 1 LIMIT 4

-- where_alias split
SELECT mass * 2 AS twice FROM groups WHERE twice > 1990

-- where_alias_aggregate split
SELECT snap % 2 AS odd, count(*) FROM groups WHERE odd = 1 GROUP BY odd

-- dates split
SELECT id, DATE '2020-01-01' + id::INTEGER AS d, INTERVAL 1 DAY * n FROM groups WHERE id < 5

-- decimals split
SELECT sum(mass::DECIMAL(10, 2)), avg(n::DECIMAL(8, 1)), max(mass::DECIMAL(10, 2)) FROM groups

-- unsigned_sums split
SELECT sum(big), avg(big), max(big) - min(big) FROM groups

-- vectors_aggregate split
SELECT avg(pos[1]), max(pos[3]), sum(pos[1] * pos[2]), stddev(vel1) FROM (SELECT pos, pos[2] AS vel1 FROM groups)

-- vectors_distance split
SELECT id, array_distance(pos, [1, 2, 3]::FLOAT[3]) d FROM groups WHERE id < 20

-- tuple_compare split
SELECT id FROM groups WHERE (snap, n) IN (SELECT 1, 5) OR (snap, n) = (2, 7)

-- extremes_groups split
SELECT k, count(x), min(x), max(x), first(id), arg_max(id, x) FROM extremes GROUP BY k

-- extremes_sum split
SELECT k, sum(x), avg(x) FROM extremes GROUP BY k

-- zero_keys split
SELECT x, count(*) FROM extremes WHERE x = 0 GROUP BY x

-- quoted_names split
SELECT "id" AS "we ird", "name" AS "select" FROM "sim"."groups" AS "G r" WHERE "G r"."id" < 5

-- case_insensitive split
SELECT ID, Mass FROM Groups WHERE NAME = 'g5' AND groups.Snap > 2

-- json_value split
SELECT json_extract('{"a": 5}', '$.a')::INTEGER + id FROM trees WHERE id < 3

-- date_series split
SELECT * FROM generate_series(1, 3) t(i), types WHERE types.type = i

-- from_first split
FROM groups SELECT id WHERE id < 7

-- from_only split
FROM types

-- count_star_join split
SELECT count(*) FROM groups, types

-- exists_uncorrelated split
SELECT trees.id FROM types t JOIN trees ON t.type = trees.id WHERE EXISTS (SELECT 1 FROM groups WHERE mass > 999)

-- two_level_having split ordered
SELECT snap, c FROM (SELECT snap, count(*) AS c FROM groups GROUP BY snap) WHERE c > (SELECT avg(c) FROM (SELECT count(*) AS c FROM groups GROUP BY n)) ORDER BY 1

-- window_over_subquery split ordered
SELECT snap, m, m - lag(m) OVER (ORDER BY snap) AS d FROM (SELECT snap, avg(mass) AS m FROM groups GROUP BY snap) ORDER BY snap

-- mass_function split ordered
SELECT floor(log10(mass + 1) * 5) / 5 AS bin, count(*) AS n, sum(count(*)) OVER (ORDER BY floor(log10(mass + 1) * 5) / 5 DESC) AS cumulative FROM subhalos GROUP BY bin ORDER BY bin

-- most_massive_per_group split
SELECT grp, max(mass), arg_max(id, mass * 100000 + id), count(*) FROM subhalos WHERE grp >= 0 GROUP BY grp HAVING count(*) > 2

-- space_box split
SELECT id FROM groups WHERE in_box(pos, [90, 0, 0], [110, 20, 50], 100)

-- space_sphere split
SELECT count(*), sum(id) FROM groups WHERE in_sphere(pos, [99, 1, 50], 20, [100, 37, 100]) AND mass > 10

-- space_columns split
SELECT count(*) FROM subhalos WHERE in_sphere([sfr, vel[1], vel[2]], [1, 100, 100], 30, 250)

-- space_distance split
SELECT id, distance(pos, [1, 2, 3]) AS d FROM groups g WHERE 9 >= distance([1, 2, 3], g.pos) OR id = 7

-- space_distance_hint split ordered
SELECT id, distance(pos, [1, 2, 3], 100) AS d FROM groups g WHERE 9 >= distance([1, 2, 3], g.pos, 100) ORDER BY d, id LIMIT 9

-- space_never split
SELECT count(*) FROM groups WHERE in_sphere(pos, [1, NULL, 3], 5)

-- space_subquery split
SELECT count(*) FROM subhalos WHERE in_sphere([sfr, vel[1], vel[2]], (SELECT pos FROM groups WHERE id = 77), 30, 250)

-- space_join split
SELECT g.id, count(*), sum(s.id) FROM subhalos s JOIN groups g ON in_sphere([s.sfr, s.vel[1], s.vel[2]], g.pos, g.rad / 20, 250) WHERE g.n = 7 GROUP BY g.id

-- space_join_open split
SELECT g.id, s.id FROM groups g, subhalos s WHERE distance(g.pos, [s.sfr, s.vel[1], s.vel[2]]) < 12 AND s.type = 3

-- space_join_all split
SELECT count(*), sum(s.id) FROM subhalos s JOIN groups g ON in_sphere([s.sfr, s.vel[1], s.vel[2]], g.pos, 10, 250)

-- space_join_left split
SELECT g.id, count(s.id) FROM groups g LEFT JOIN subhalos s ON in_sphere([s.sfr, s.vel[1], s.vel[2]], g.pos, 10, 250) WHERE g.id < 30 GROUP BY g.id

-- space_pairs split
SELECT count(*) FROM subhalos a JOIN subhalos b ON distance([a.sfr, a.vel[1], a.vel[2]], [b.sfr, b.vel[1], b.vel[2]], 250) < 3 AND a.id < b.id AND a.type = 1 AND b.grp < 300

-- space_nearest_each gathered
SELECT g, s FROM (SELECT g.id AS g, s.id AS s, row_number() OVER (PARTITION BY g.id ORDER BY distance([s.sfr, s.vel[1], s.vel[2]], g.pos, 250), s.id) AS k FROM groups g JOIN subhalos s ON in_sphere([s.sfr, s.vel[1], s.vel[2]], g.pos, 25, 250) WHERE g.id < 60) WHERE k <= 3

-- keys split
SELECT ph_key(pos, 4, 100) AS k, count(*), min(z_index(pos, 4, 100)), max(cell(pos[1], 10, 100)) FROM groups GROUP BY k

-- first_between split
SELECT count(*), sum(id) FROM subhalos WHERE id BETWEEN (SELECT min(id) + 100 FROM trees) AND (SELECT max(id) FROM trees WHERE snap > 2)

-- first_null split
SELECT count(*) FROM subhalos WHERE id > (SELECT id FROM trees WHERE id < 0)

-- first_tie split
SELECT count(*) > 0 FROM subhalos WHERE mass >= (SELECT mass FROM subhalos ORDER BY mass DESC LIMIT 1)

-- first_real split
SELECT count(*) FROM subhalos WHERE sfr < (SELECT avg(sfr) FROM subhalos WHERE NOT isnan(sfr)) AND mass > (SELECT 0.5 * max(mass) FROM groups)

-- first_join_range split
SELECT s.id, g.id FROM groups g JOIN subhalos s ON s.id BETWEEN g.id AND g.id + 3 WHERE g.n = 7 AND g.mass > 500

-- first_join_equal split
SELECT s.id, g.id FROM groups g, subhalos s WHERE s.grp = g.id AND g.snap = 3 AND g.n < 4

-- first_join_real split
SELECT count(*) FROM subhalos s, groups g WHERE s.sfr > g.rad / 60 AND s.mass < g.mass AND g.id BETWEEN 20 AND 25

-- first_join_descendants split
SELECT count(*) FROM trees t JOIN subhalos s ON t.descendant BETWEEN s.id AND s.grp WHERE t.snap = 3

-- first_join_outer split
SELECT count(*), count(t.id) FROM subhalos s LEFT JOIN trees t ON t.id = s.id WHERE s.id < coalesce(t.id, 5000)

-- first_computed split
SELECT count(*) FROM subhalos WHERE id < 10 * 7 + 5 AND sfr > sqrt(2) AND mass > random() - 2

-- space_nearest split ordered
SELECT id, distance([sfr, vel[1], vel[2]], [1, 120, -120], 250) AS d FROM subhalos WHERE type < 5 ORDER BY d, id LIMIT 7 OFFSET 2

-- space_nearest_nan split ordered
SELECT id FROM subhalos WHERE sfr > 18 OR isnan(sfr) ORDER BY distance([sfr, vel[1], vel[2]], [1, 120, -120], 250), id LIMIT 600
