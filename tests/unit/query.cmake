peri_unit_test(query peri_query)
peri_unit_test(query_placed peri_query)
