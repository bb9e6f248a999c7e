peri_unit_test(verdict peri_verdict)
peri_unit_test(oidc_token peri_oidctext PkgConfig::CJOSE PkgConfig::SODIUM PkgConfig::JANSSON)
peri_unit_test(oidc_protocol peri_oidctext PkgConfig::CURL)
peri_unit_test(mail_message peri_mailtext)
