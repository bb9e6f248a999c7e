peri_unit_test(engine peri_engine)
