peri_unit_test(query peri_query)
