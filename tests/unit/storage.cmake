# portal/storage: paths, operations, quotas, archives.
foreach(part path)
    peri_unit_test(storage_${part} peri_storage)
endforeach()
