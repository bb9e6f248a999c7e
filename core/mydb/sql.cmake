# Statements on tables, for who can run queries.
add_library(peri_mydbsql STATIC rewrite.c rewrite_insert.c view.c before.c check.c)
target_link_libraries(peri_mydbsql PUBLIC peri_statement peri_mydb peri_sql peri_engine peri_out
    peri_table peri_base PkgConfig::JANSSON DuckDB::DuckDB PRIVATE PkgConfig::HDF5)
