peri_unit_test(import peri_import)
peri_unit_test(import_astro peri_import)
