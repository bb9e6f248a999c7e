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

# All that again with the programs in a sandbox, where one can be made.
foreach(name launch_ends launch_limits launch_command)
    if(TARGET test_${name})
        add_test(NAME unit_${name}_sandbox COMMAND test_${name})
        set_tests_properties(unit_${name}_sandbox PROPERTIES TIMEOUT 300
            ENVIRONMENT TEST_SANDBOX=1 LABELS waits)
    endif()
endforeach()

peri_unit_test(sandbox peri_sandbox)
if(TARGET test_sandbox)
    add_dependencies(test_sandbox perigee-launch)
    set_tests_properties(unit_sandbox PROPERTIES LABELS waits)
endif()

# Parts of perigee-launch by themselves.
peri_unit_test(launch_parts peri_jobtask)
if(TARGET test_launch_parts)
    foreach(part starter nodes progress stream)
        target_sources(test_launch_parts PRIVATE
            ${CMAKE_SOURCE_DIR}/jobs/launch/${part}.c)
    endforeach()
endif()
