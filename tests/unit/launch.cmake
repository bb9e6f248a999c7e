peri_unit_test(task_folder peri_jobtask)
peri_unit_test(task_record peri_jobtask)

# Those that start the real perigee-launch.
foreach(name launch_ends launch_limits launch_claim launch_command)
    peri_unit_test(${name} peri_jobtask)
    if(TARGET test_${name})
        add_dependencies(test_${name} perigee-launch)
        set_tests_properties(unit_${name} PROPERTIES TIMEOUT 300)
    endif()
endforeach()

# Parts of perigee-launch by themselves.
peri_unit_test(launch_parts peri_jobtask)
if(TARGET test_launch_parts)
    foreach(part starter nodes progress stream)
        target_sources(test_launch_parts PRIVATE
            ${CMAKE_SOURCE_DIR}/jobs/launch/${part}.c)
    endforeach()
endif()
