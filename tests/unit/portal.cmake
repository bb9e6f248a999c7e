peri_unit_test(verdict peri_verdict)
