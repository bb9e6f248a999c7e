add_library(peri_sched STATIC load.c local/local.c local/submit.c local/subs.c local/queue.c
            local/tell.c local/run.c local/start.c local/helped.c local/proc.c local/watch.c local/store.c
            local/format.c)
target_link_libraries(peri_sched PUBLIC peri_base PkgConfig::JANSSON Threads::Threads
                      ${CMAKE_DL_LIBS} m)
