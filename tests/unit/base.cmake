peri_unit_test(base peri_base)
peri_unit_test(curve peri_base)
