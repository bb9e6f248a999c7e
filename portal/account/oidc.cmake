# Sign-in through OpenID providers, and mail: included by this folder's CMakeLists.txt.

# Apart: pure, and tested without the rest.
add_library(peri_oidctext STATIC ${CMAKE_CURRENT_LIST_DIR}/oidc_token.c
    ${CMAKE_CURRENT_LIST_DIR}/oidc_jwks.c ${CMAKE_CURRENT_LIST_DIR}/oidc_protocol.c)
target_link_libraries(peri_oidctext PUBLIC peri_base
    PRIVATE PkgConfig::JANSSON PkgConfig::CJOSE PkgConfig::SODIUM PkgConfig::CURL)

add_library(peri_mailtext STATIC ${CMAKE_CURRENT_LIST_DIR}/mail_message.c)
target_link_libraries(peri_mailtext PUBLIC peri_base PRIVATE PkgConfig::SODIUM m)

add_library(peri_mail STATIC ${CMAKE_CURRENT_LIST_DIR}/mail.c ${CMAKE_CURRENT_LIST_DIR}/mail_send.c
    ${CMAKE_CURRENT_LIST_DIR}/secret_file.c)
target_link_libraries(peri_mail PUBLIC peri_mailtext peri_config peri_jobstore
    PRIVATE peri_web PkgConfig::CURL PkgConfig::JANSSON Threads::Threads)

# The providers and their threads, and the requests.
add_library(peri_oidc STATIC ${CMAKE_CURRENT_LIST_DIR}/oidc.c ${CMAKE_CURRENT_LIST_DIR}/oidc_work.c
    ${CMAKE_CURRENT_LIST_DIR}/oidc_fetch.c ${CMAKE_CURRENT_LIST_DIR}/oidc_identity.c
    ${CMAKE_CURRENT_LIST_DIR}/oidc_flow.c ${CMAKE_CURRENT_LIST_DIR}/oidc_api.c)
target_link_libraries(peri_oidc PUBLIC peri_oidctext peri_config peri_web PRIVATE peri_accountapi
    peri_accounts peri_mail PkgConfig::SODIUM PkgConfig::CURL PkgConfig::JANSSON Threads::Threads)
