# Sign-in through OpenID providers, and mail: included by this folder's CMakeLists.txt.

# Apart: pure, and tested without the rest.
add_library(peri_oidctext STATIC ${CMAKE_CURRENT_LIST_DIR}/oidc_token.c
    ${CMAKE_CURRENT_LIST_DIR}/oidc_jwks.c ${CMAKE_CURRENT_LIST_DIR}/oidc_protocol.c)
target_link_libraries(peri_oidctext PUBLIC peri_base
    PRIVATE PkgConfig::JANSSON PkgConfig::CJOSE PkgConfig::SODIUM PkgConfig::CURL)
