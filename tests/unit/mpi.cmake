# Programs of several ranks: peri_mpi_test(NAME RANKS LIBS...); RANKS may be "1;2;3;4".
function(peri_mpi_test name ranks)
    add_executable(test_${name} test_${name}.c)
    target_link_libraries(test_${name} ${ARGN})
    foreach(n ${ranks})
        set(test unit_${name})
        if(NOT n STREQUAL "${ranks}")
            set(test unit_${name}_${n})
        endif()
        add_test(NAME ${test}
            COMMAND ${MPIEXEC_EXECUTABLE} --oversubscribe -n ${n} $<TARGET_FILE:test_${name}>)
        # Open MPI itself leaks; it asks before it runs as root, as in a container.
        set_tests_properties(${test} PROPERTIES TIMEOUT 300 ENVIRONMENT
            "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;ASAN_OPTIONS=detect_leaks=0;UBSAN_OPTIONS=halt_on_error=1")
    endforeach()
endfunction()

if(TARGET peri_mpi)
    peri_mpi_test(mpi_post 3 peri_mpi)
endif()
