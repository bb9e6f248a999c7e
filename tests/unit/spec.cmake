peri_unit_test(spec peri_jobspec)
peri_unit_test(spec_read peri_jobspec)
peri_unit_test(spec_plan peri_jobspec)
peri_unit_test(spec_schema peri_jobspec peri_out)
