# Finds duckdb.h and libduckdb.so: in DUCKDB_ROOT, else where scripts/setup put the pinned
# npm packages. The library is copied into the build's lib/ so that the programs find it
# beside themselves, wherever the build folder is moved.
set(_npm ${CMAKE_SOURCE_DIR}/deps/node_modules)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(_arch arm64)
else()
    set(_arch x64)
endif()
find_path(DuckDB_INCLUDE_DIR duckdb.h
    HINTS ${DUCKDB_ROOT} ${DUCKDB_ROOT}/include
          ${_npm}/duckdb/src/duckdb/src/include
    NO_CMAKE_FIND_ROOT_PATH)
find_file(DuckDB_LIBRARY libduckdb.so
    HINTS ${DUCKDB_ROOT} ${DUCKDB_ROOT}/lib
          ${_npm}/@duckdb/node-bindings-linux-${_arch}
    PATH_SUFFIXES lib)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DuckDB
    REQUIRED_VARS DuckDB_LIBRARY DuckDB_INCLUDE_DIR
    FAIL_MESSAGE "DuckDB was not found: run scripts/setup, or give -DDUCKDB_ROOT=FOLDER")
if(DuckDB_FOUND AND NOT TARGET DuckDB::DuckDB)
    set(_copy ${CMAKE_BINARY_DIR}/lib/libduckdb.so)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
    file(COPY_FILE ${DuckDB_LIBRARY} ${_copy} ONLY_IF_DIFFERENT)
    add_library(DuckDB::DuckDB SHARED IMPORTED)
    set_target_properties(DuckDB::DuckDB PROPERTIES
        IMPORTED_LOCATION ${_copy} IMPORTED_NO_SONAME ON
        INTERFACE_INCLUDE_DIRECTORIES ${DuckDB_INCLUDE_DIR})
    set(CMAKE_BUILD_RPATH "$ORIGIN/../lib")
    set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
endif()

# The dynamic linker looks for each symbol in the libraries in their order, and DuckDB asks for
# tens of thousands of its own: a program starts faster if it comes first.
function(peri_link_duckdb_first target)
    target_link_options(${target} PRIVATE -L${CMAKE_BINARY_DIR}/lib
                        LINKER:--push-state,--no-as-needed -lduckdb LINKER:--pop-state)
endfunction()
