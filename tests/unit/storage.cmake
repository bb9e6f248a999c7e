# portal/storage: paths, operations, quotas, archives.
foreach(part path ops archive)
    peri_unit_test(storage_${part} peri_storage)
endforeach()
peri_unit_test(upload peri_uploadfile)
