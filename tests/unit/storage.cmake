# portal/storage: paths, operations, quotas, archives.
foreach(part path ops copy trash archive)
    peri_unit_test(storage_${part} peri_storage)
endforeach()
if(TARGET peri_volume)
    peri_unit_test(storage_quota peri_volume peri_web)
endif()
peri_unit_test(upload_headers peri_checksum)
peri_unit_test(upload peri_uploadfile)
