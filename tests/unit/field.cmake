peri_mpi_test(field "1;2;3;4" peri_field)
peri_mpi_test(field_power "1;2;3;4" peri_field)
peri_mpi_test(field_density "1;2;3;4" peri_field)
peri_mpi_test(field_image "1;2;3;4" peri_field PkgConfig::PNG PkgConfig::CFITSIO)
