peri_unit_test(engine peri_engine)
peri_unit_test(space peri_engine)
peri_unit_test(wide peri_engine peri_out)
