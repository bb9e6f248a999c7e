# Apart: the daemon reads statements too, without DuckDB and HDF5.
add_library(peri_statement STATIC token.c steps.c statement.c statement_create.c statement_rows.c
    statement_alter.c bind.c)
target_link_libraries(peri_statement PUBLIC peri_base PkgConfig::JANSSON)
