add_executable(perigee-launch
    ${CMAKE_CURRENT_LIST_DIR}/main.c
    ${CMAKE_CURRENT_LIST_DIR}/task.c
    ${CMAKE_CURRENT_LIST_DIR}/nodes.c
    ${CMAKE_CURRENT_LIST_DIR}/environ.c
    ${CMAKE_CURRENT_LIST_DIR}/command.c
    ${CMAKE_CURRENT_LIST_DIR}/why.c
    ${CMAKE_CURRENT_LIST_DIR}/journal.c
    ${CMAKE_CURRENT_LIST_DIR}/stream.c
    ${CMAKE_CURRENT_LIST_DIR}/progress.c
    ${CMAKE_CURRENT_LIST_DIR}/writer.c
    ${CMAKE_CURRENT_LIST_DIR}/start.c
    ${CMAKE_CURRENT_LIST_DIR}/meter.c
    ${CMAKE_CURRENT_LIST_DIR}/watch.c
    ${CMAKE_CURRENT_LIST_DIR}/space.c
    ${CMAKE_CURRENT_LIST_DIR}/starter.c
    ${CMAKE_CURRENT_LIST_DIR}/verdict.c)
target_link_libraries(perigee-launch peri_jobtask Threads::Threads)
