peri_unit_test(index_zone peri_index)
peri_unit_test(index_prune peri_index)
peri_unit_test(index_file peri_index)
peri_unit_test(index_build peri_index)
