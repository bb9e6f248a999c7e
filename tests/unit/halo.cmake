peri_mpi_test(fof "1;2;3;4" peri_halo PkgConfig::HDF5)
peri_mpi_test(so "1;2;3;4" peri_halo PkgConfig::HDF5)
peri_unit_test(pairs peri_pairs)
peri_unit_test(pairs_sky peri_pairs)
peri_unit_test(estimate peri_pairs)
if(TARGET test_pairs)
    # Its double loop must round as the definition says.
    target_compile_options(test_pairs PRIVATE -ffp-contract=off)
endif()
