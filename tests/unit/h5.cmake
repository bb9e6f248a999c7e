peri_unit_test(h5_types peri_h5 m)
peri_unit_test(h5_heap peri_h5 m)
peri_unit_test(h5_layouts peri_h5)
peri_unit_test(h5_filters peri_h5 Threads::Threads)
peri_unit_test(h5_errors peri_h5)

# Damaged files through the whole API, each in a child process: no crash, no hang.
add_executable(mutate_h5 ${CMAKE_CURRENT_LIST_DIR}/../fuzz/mutate_h5.c)
target_link_libraries(mutate_h5 peri_h5)
add_test(NAME fuzz_h5 COMMAND mutate_h5 --seeds ${CMAKE_CURRENT_BINARY_DIR}/h5_seeds 72)
