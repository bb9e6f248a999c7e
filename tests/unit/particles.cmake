peri_mpi_test(particles "1;2;3;4" peri_particles)
