add_library(peri_sandbox STATIC
    ${CMAKE_CURRENT_LIST_DIR}/places.c
    ${CMAKE_CURRENT_LIST_DIR}/words.c
    ${CMAKE_CURRENT_LIST_DIR}/filter.c
    ${CMAKE_CURRENT_LIST_DIR}/shm.c
    ${CMAKE_CURRENT_LIST_DIR}/probe.c)
target_link_libraries(peri_sandbox PUBLIC peri_jobtask)
