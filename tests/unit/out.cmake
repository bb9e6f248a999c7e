peri_unit_test(rows peri_rows)
peri_unit_test(out peri_out)
peri_unit_test(out_text peri_out)
peri_unit_test(out_reader peri_out peri_table)
peri_unit_test(out_exact peri_out peri_engine)

# A program that writes a query's result, and the check of what it wrote by other readers.
add_executable(test_out_write test_out_write.c)
target_link_libraries(test_out_write peri_out)
add_test(NAME out_formats
         COMMAND /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/integration/check_formats.py
                 $<TARGET_FILE:test_out_write>)
set_tests_properties(out_formats PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
if(PERIGEE_SANITIZE) # freed memory is kept back, but not so much that it looks like growth
    set_tests_properties(out_formats PROPERTIES ENVIRONMENT ASAN_OPTIONS=quarantine_size_mb=1)
endif()
