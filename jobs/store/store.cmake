# peri_jobstore: the migrations are compiled in, no file is looked for at run time.
set(dir ${CMAKE_CURRENT_LIST_DIR})
set(migrations ${dir}/migrations/0001.sql ${dir}/migrations/0002.sql
    ${dir}/migrations/0003.sql ${dir}/migrations/0004.sql
    ${dir}/migrations/0005.sql)
set(generated ${CMAKE_CURRENT_BINARY_DIR}/store_migrations.c)
list(JOIN migrations "|" joined)
add_custom_command(OUTPUT ${generated}
                   COMMAND ${CMAKE_COMMAND} -DOUT=${generated} "-DFILES=${joined}"
                           -P ${dir}/embed.cmake
                   DEPENDS ${migrations} ${dir}/embed.cmake VERBATIM)
add_library(peri_jobstore STATIC
            ${dir}/state.c ${dir}/db.c ${dir}/dbpool.c ${dir}/migrate.c ${generated}
            ${dir}/pg.c ${dir}/pgplace.c ${dir}/pgrun.c
            ${dir}/store.c ${dir}/append.c ${dir}/event.c ${dir}/create.c ${dir}/list.c
            ${dir}/tasks.c ${dir}/manage.c ${dir}/ready.c ${dir}/outbox.c ${dir}/replay.c
            ${dir}/verify.c ${dir}/prune.c ${dir}/replica.c)
target_link_libraries(peri_jobstore PUBLIC peri_base PkgConfig::PQ PkgConfig::JANSSON
                                           Threads::Threads)
