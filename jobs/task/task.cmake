add_library(peri_jobtask STATIC
    ${CMAKE_CURRENT_LIST_DIR}/folder.c
    ${CMAKE_CURRENT_LIST_DIR}/remove.c
    ${CMAKE_CURRENT_LIST_DIR}/claim.c
    ${CMAKE_CURRENT_LIST_DIR}/record.c
    ${CMAKE_CURRENT_LIST_DIR}/launchjson.c
    ${CMAKE_CURRENT_LIST_DIR}/launchsandbox.c
    ${CMAKE_CURRENT_LIST_DIR}/text.c
    ${CMAKE_CURRENT_LIST_DIR}/io.c
    ${CMAKE_CURRENT_LIST_DIR}/procs.c
    ${CMAKE_CURRENT_LIST_DIR}/start.c
    ${CMAKE_CURRENT_LIST_DIR}/cgroup.c
    ${CMAKE_CURRENT_LIST_DIR}/task_sweep.c)
target_link_libraries(peri_jobtask PUBLIC peri_base PkgConfig::JANSSON)
