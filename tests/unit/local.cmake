peri_unit_test(local peri_sched)
peri_unit_test(local_queue peri_sched)
peri_unit_test(local_crash peri_sched)
