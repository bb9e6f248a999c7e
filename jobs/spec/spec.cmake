add_library(peri_jobspec STATIC
    ${CMAKE_CURRENT_LIST_DIR}/spec.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_step.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_volume.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_json.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_keys.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_array.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_after.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_template.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_check.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_from.c
    ${CMAKE_CURRENT_LIST_DIR}/spec_kind.c
    ${CMAKE_CURRENT_LIST_DIR}/kind_rows.c
    ${CMAKE_CURRENT_LIST_DIR}/kind_sql.c
    ${CMAKE_CURRENT_LIST_DIR}/kind_kernel.c
    ${CMAKE_CURRENT_LIST_DIR}/kind_script.c
    ${CMAKE_CURRENT_LIST_DIR}/plan.c
    ${CMAKE_CURRENT_LIST_DIR}/plan_json.c)
target_link_libraries(peri_jobspec PUBLIC peri_jobtask peri_base PkgConfig::JANSSON)
