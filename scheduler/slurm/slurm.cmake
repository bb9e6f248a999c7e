# perigee-slurm.so, beside the programs, where they look for it. A site builds it against
# the Slurm that it runs: libslurm has another number in every release.
find_path(SLURM_INCLUDE_DIR slurm/slurm.h)
find_library(SLURM_LIBRARY slurm PATH_SUFFIXES slurm slurm-wlm)
if(SLURM_INCLUDE_DIR AND SLURM_LIBRARY)
    add_library(peri_slurm_words STATIC slurm/words.c slurm/array.c slurm/refuse.c)
    target_include_directories(peri_slurm_words SYSTEM PUBLIC ${SLURM_INCLUDE_DIR})
    target_link_libraries(peri_slurm_words PUBLIC peri_base PkgConfig::JANSSON)
    set_target_properties(peri_base peri_slurm_words PROPERTIES POSITION_INDEPENDENT_CODE ON)
    set_target_properties(peri_slurm_words PROPERTIES C_VISIBILITY_PRESET hidden)

    add_library(perigee-slurm MODULE slurm/slurm.c slurm/link.c slurm/request.c slurm/tell.c
                $<TARGET_OBJECTS:peri_slurm_words>)
    target_include_directories(perigee-slurm SYSTEM PRIVATE ${SLURM_INCLUDE_DIR})
    target_link_libraries(perigee-slurm PRIVATE peri_base PkgConfig::JANSSON
                          Threads::Threads ${SLURM_LIBRARY} ${CMAKE_DL_LIBS})
    set_target_properties(perigee-slurm PROPERTIES
        PREFIX "" C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    # libslurm keeps threads and fork handlers: it must never be unloaded.
    target_link_options(perigee-slurm PRIVATE -Wl,-z,nodelete -Wl,--exclude-libs,ALL
                        $<$<NOT:$<BOOL:${PERIGEE_SANITIZE}>>:-Wl,-z,defs>)
    install(TARGETS perigee-slurm DESTINATION lib/perigee)
else()
    message(STATUS "Slurm plugin: not built (no slurm/slurm.h; on Debian: libslurm-dev)")
endif()
