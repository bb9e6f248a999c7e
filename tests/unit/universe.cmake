if(TARGET universe)
    peri_unit_test(universe universe)
    peri_mpi_test(universe_mesh 3 universe)
endif()
