if(TARGET peri_slurm_words)
    peri_unit_test(slurm peri_slurm_words)
endif()
