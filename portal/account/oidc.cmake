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
