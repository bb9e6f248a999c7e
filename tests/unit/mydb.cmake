peri_unit_test(mydb_store peri_mydb)
peri_unit_test(mydb_crash peri_mydb)
peri_unit_test(mydb_about peri_mydb PkgConfig::HDF5)
# A file that crashes the reader, made by the test.
target_link_options(test_mydb_about PRIVATE -Wl,--wrap=peri_h5attr_strings)
# They wait for each other's locks and need no core.
foreach(name unit_mydb_store unit_mydb_crash)
    if(TEST ${name})
        set_property(TEST ${name} APPEND PROPERTY LABELS waits)
    endif()
endforeach()
