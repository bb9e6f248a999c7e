peri_unit_test(place peri_client)
