peri_unit_test(mpi_rows peri_rows)
