peri_mpi_test(fof "1;2;3;4" peri_halo PkgConfig::HDF5)
peri_mpi_test(so "1;2;3;4" peri_halo PkgConfig::HDF5)
