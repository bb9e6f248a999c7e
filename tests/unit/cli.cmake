peri_unit_test(place peri_client)
peri_unit_test(portals peri_client)
