# A query inside a Slurm allocation, on a cluster of its own.
add_test(NAME slurm_query
    COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/slurm_query.sh
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
set_tests_properties(slurm_query PROPERTIES
    TIMEOUT 240 SKIP_RETURN_CODE 77 LABELS alone RUN_SERIAL ON
    ENVIRONMENT "PERIGEE_BIN=${CMAKE_BINARY_DIR}/bin;PERIGEE_PYTHON=${PERIGEE_PYTHON}")
