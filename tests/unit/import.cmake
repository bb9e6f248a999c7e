peri_unit_test(import peri_import)
