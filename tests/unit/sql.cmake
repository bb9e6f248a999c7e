peri_unit_test(sql_meant peri_sql)
peri_unit_test(sql_parse peri_sql peri_engine)
peri_unit_test(sql_ranks peri_sql peri_engine)
