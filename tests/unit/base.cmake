peri_unit_test(base peri_base)
