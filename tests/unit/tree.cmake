peri_unit_test(depthfirst peri_tree)
peri_mpi_test(tree "1;2;3;4" peri_tree)
peri_mpi_test(tree_link "1;2;3;4" peri_tree)
peri_mpi_test(tree_real "1;3" peri_tree PkgConfig::HDF5)
