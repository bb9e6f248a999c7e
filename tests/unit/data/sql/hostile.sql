-- Statements that are refused, each with its code and a word of the sentence.
-- One a paragraph: the comment line has a name, the code, and text that the message contains
-- (underscores are spaces).

-- insert EDENIED INSERT
INSERT INTO groups VALUES (1)

-- update EDENIED UPDATE
UPDATE groups SET mass = 0

-- delete EDENIED DELETE
DELETE FROM groups

-- drop EDENIED DROP
DROP TABLE groups

-- truncate EDENIED TRUNCATE
TRUNCATE groups

-- create_table EDENIED --into
CREATE TABLE t AS SELECT * FROM groups

-- create_view EDENIED --into
CREATE VIEW v AS SELECT 1

-- create_macro EDENIED CREATE
CREATE MACRO f(x) AS x + 1

-- create_secret EDENIED CREATE
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')

-- alter EDENIED ALTER
ALTER TABLE groups ADD COLUMN x INT

-- attach EDENIED ATTACH
ATTACH '/tmp/x.db' AS x

-- attach_memory EDENIED ATTACH
ATTACH ':memory:' AS x

-- detach EDENIED DETACH
DETACH x

-- copy_to EDENIED --into
COPY groups TO '/tmp/x.csv'

-- copy_query EDENIED --into
COPY (SELECT 1) TO '/tmp/x.parquet' (FORMAT parquet)

-- copy_from EDENIED COPY
COPY groups FROM '/etc/passwd'

-- export EDENIED EXPORT
EXPORT DATABASE '/tmp/x'

-- import EDENIED IMPORT
IMPORT DATABASE '/tmp/x'

-- install EDENIED extensions_cannot
INSTALL httpfs

-- load EDENIED extensions_cannot
LOAD '/tmp/evil.duckdb_extension'

-- set EDENIED options
SET memory_limit = '100GB'

-- set_variable EDENIED SET
SET VARIABLE x = 1

-- reset EDENIED RESET
RESET memory_limit

-- pragma EDENIED PRAGMA
PRAGMA database_list

-- pragma_call EDENIED PRAGMA
PRAGMA import_database('/tmp/x')

-- call EDENIED CALL
CALL pragma_version()

-- use EDENIED --context
USE other

-- checkpoint EDENIED CHECKPOINT
CHECKPOINT

-- vacuum EDENIED VACUUM
VACUUM

-- begin EDENIED BEGIN
BEGIN TRANSACTION

-- prepare EDENIED PREPARE
PREPARE p AS SELECT 1

-- execute EDENIED EXECUTE
EXECUTE p

-- explain EDENIED --explain
EXPLAIN SELECT 1

-- explain_analyze EDENIED --explain
EXPLAIN ANALYZE SELECT * FROM groups

-- two_statements EDENIED one_SELECT
SELECT 1; SELECT 2

-- hidden_second EDENIED DROP
SELECT ';' AS "a;b" /* ; */; DROP TABLE groups

-- hidden_in_comment EDENIED COPY
-- SELECT 1
/* SELECT */ COPY (SELECT 1) TO '/tmp/x'

-- with_insert EDENIED WITH
WITH x AS (SELECT 1) INSERT INTO groups SELECT * FROM x

-- pivot_statement EDENIED PIVOT
PIVOT groups ON snap USING sum(mass)

-- show_tables EDENIED describe
SHOW TABLES

-- show_all EDENIED describe
SHOW ALL TABLES

-- describe EDENIED describe
DESCRIBE groups

-- describe_nested EDENIED describe
SELECT * FROM (DESCRIBE groups)

-- summarize EDENIED describe
SUMMARIZE groups

-- parameter EDENIED value_itself
SELECT * FROM groups WHERE id = ?

-- parameter_named EDENIED value_itself
SELECT $name

-- positional EDENIED #1
SELECT #1 FROM groups

-- at_version EDENIED versions
SELECT * FROM groups AT (VERSION => 1)

-- read_csv EDENIED read_csv
SELECT * FROM read_csv('/etc/passwd')

-- read_csv_auto EDENIED read_csv_auto
SELECT * FROM read_csv_auto('/etc/passwd')

-- read_text EDENIED read_text
SELECT content FROM read_text('/etc/shadow')

-- read_blob EDENIED read_blob
SELECT * FROM read_blob('/etc/*')

-- read_json EDENIED read_json
SELECT * FROM read_json('/tmp/x.json')

-- read_parquet EDENIED read_parquet
SELECT * FROM read_parquet('/tmp/*.parquet')

-- parquet_metadata EDENIED parquet_metadata
SELECT * FROM parquet_metadata('/tmp/x.parquet')

-- glob EDENIED pattern
SELECT * FROM glob('/home/*')

-- sniff EDENIED sniff_csv
SELECT * FROM sniff_csv('/etc/passwd')

-- query_string EDENIED subquery
SELECT * FROM query('SELECT * FROM duckdb_settings()')

-- query_table EDENIED query_table
SELECT * FROM query_table('groups')

-- query_nested EDENIED query
SELECT (SELECT count(*) FROM query('DROP TABLE x')) FROM groups

-- query_in_cte EDENIED query
WITH a AS (SELECT * FROM query('SELECT 1')) SELECT * FROM a

-- query_qualified EDENIED function
SELECT * FROM system.main.query('SELECT 1')

-- json_execute EDENIED json_execute_serialized_sql
SELECT * FROM json_execute_serialized_sql('{}')

-- json_serialize EDENIED json_serialize_sql
SELECT json_serialize_sql('SELECT 1')

-- settings EDENIED duckdb_settings
SELECT * FROM duckdb_settings()

-- secrets EDENIED duckdb_secrets
SELECT * FROM duckdb_secrets()

-- which_secret EKERNEL which_secret
SELECT * FROM which_secret('s3://x', 's3')

-- tables_function EDENIED duckdb_tables
SELECT * FROM duckdb_tables()

-- pragma_function EDENIED pragma_table_info
SELECT * FROM pragma_table_info('groups')

-- test_all_types EKERNEL test_all_types
SELECT * FROM test_all_types()

-- repeat_row EKERNEL repeat_row
SELECT * FROM repeat_row(1, num_rows = 10000000000)

-- seq_scan EKERNEL seq_scan
SELECT * FROM seq_scan()

-- autocomplete EKERNEL sql_auto_complete
SELECT * FROM sql_auto_complete('SEL')

-- getenv EDENIED getenv
SELECT getenv('HOME')

-- current_setting EDENIED current_setting
SELECT current_setting('memory_limit')

-- getvariable EDENIED getvariable
SELECT getvariable('x')

-- nextval EDENIED number_rows
SELECT nextval('s')

-- currval EDENIED currval
SELECT currval('s')

-- txid EDENIED txid_current
SELECT txid_current()

-- write_log EDENIED write_log
SELECT write_log('x')

-- setseed EDENIED setseed
SELECT setseed(0.5)

-- current_database EDENIED current_database
SELECT current_database()

-- pg_catalog_function EDENIED function
SELECT pg_catalog.pg_get_viewdef(1)

-- has_privilege EDENIED has_table_privilege
SELECT has_table_privilege('groups', 'select')

-- in_order_by EDENIED current_setting
SELECT id FROM groups ORDER BY current_setting('threads')

-- in_filter EDENIED getvariable
SELECT count(*) FILTER (WHERE getvariable('x') = 1) FROM groups

-- in_lambda EDENIED current_setting
SELECT list_transform(['threads'], lambda x: current_setting(x))

-- in_window EDENIED nextval
SELECT sum(id) OVER (ORDER BY nextval('s')) FROM groups

-- in_limit EDENIED current_setting
SELECT 1 LIMIT (SELECT current_setting('threads')::INT)

-- in_table_function EDENIED current_setting
SELECT * FROM range(current_setting('threads')::BIGINT)

-- in_having EDENIED current_setting
SELECT count(*) FROM groups HAVING current_setting('threads') = '1'

-- in_values EDENIED current_setting
VALUES (current_setting('threads'))

-- in_join EDENIED current_setting
SELECT 1 FROM groups a JOIN types b ON current_setting('threads') = '1'

-- in_pivot EDENIED current_setting
SELECT * FROM groups PIVOT (max(current_setting('threads')) FOR flag IN (true))

-- unknown_function EDENIED did_you_mean
SELECT sqr(4)

-- quoted_function EDENIED current_setting
SELECT "current_setting"('threads')

-- case_function EDENIED getvariable
SELECT GetVariable('x')

-- method_call EDENIED getvariable
SELECT name.getvariable() FROM groups

-- information_schema ENOTFOUND information_schema
SELECT * FROM information_schema.tables

-- sqlite_master ENOTFOUND sqlite_master
SELECT * FROM sqlite_master

-- pg_tables ENOTFOUND pg_tables
SELECT * FROM pg_catalog.pg_tables

-- duckdb_view ENOTFOUND duckdb_tables
SELECT * FROM duckdb_tables

-- file_path ENOTFOUND /etc/passwd
SELECT * FROM '/etc/passwd'

-- csv_replacement ENOTFOUND x.csv
SELECT * FROM 'x.csv'

-- internal_relation ENOTFOUND peri_r0
SELECT * FROM groups, peri_r0

-- internal_stage ENOTFOUND peri_s0
SELECT * FROM peri_s0

-- internal_data ENOTFOUND data.groups
SELECT * FROM data.groups

-- memory_catalog ENOTFOUND groups
SELECT * FROM memory.main.groups

-- cte_out_of_scope ENOTFOUND hidden
SELECT * FROM (WITH hidden AS (SELECT 1) SELECT * FROM hidden) a, hidden

-- window_alone EINVAL OVER
SELECT row_number() FROM groups
