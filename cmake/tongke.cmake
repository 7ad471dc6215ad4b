# Flags and the two functions every module uses: tk_module() and tk_test().

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(TK_TESTS "Build the tests" ON)
set(TK_SANITIZE "" CACHE STRING "Sanitizers for every module, e.g. address,undefined")
option(TK_FUZZ "Build the libFuzzer targets (clang)" OFF)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(tk_flags INTERFACE)
target_include_directories(tk_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(tk_flags INTERFACE
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wvla -Wconversion -Wno-sign-conversion
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wimplicit-fallthrough -Wformat=2
    -fno-omit-frame-pointer)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    target_compile_options(tk_flags INTERFACE -Wthread-safety)
endif()
if(CMAKE_BUILD_TYPE STREQUAL Debug)
    target_compile_definitions(tk_flags INTERFACE TK_DEBUG=1)
endif()
if(TK_SANITIZE)
    target_compile_options(tk_flags INTERFACE -fsanitize=${TK_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(tk_flags INTERFACE -fsanitize=${TK_SANITIZE})
endif()
if(TK_FUZZ)
    target_compile_options(tk_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# tk_pkg(NAME PKG): an imported target PkgConfig::NAME, an error that names the package if it is missing.
function(tk_pkg name)
    if(NOT TARGET PkgConfig::${name})
        pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${ARGN})
    endif()
endfunction()

# tk_module(NAME SRCS ... DEPS modules ... LIBS external targets ... GNU)
# One folder, one static library. GNU defines _GNU_SOURCE (net, server, and where a system call needs it).
function(tk_module name)
    cmake_parse_arguments(arg "GNU" "" "SRCS;DEPS;LIBS" ${ARGN})
    add_library(tk_${name} STATIC ${arg_SRCS})
    target_link_libraries(tk_${name} PUBLIC tk_flags)
    foreach(dep ${arg_DEPS})
        target_link_libraries(tk_${name} PUBLIC tk_${dep})
    endforeach()
    target_link_libraries(tk_${name} PUBLIC ${arg_LIBS})
    if(arg_GNU)
        target_compile_definitions(tk_${name} PRIVATE _GNU_SOURCE)
    else()
        target_compile_definitions(tk_${name} PRIVATE _POSIX_C_SOURCE=200809L)
    endif()
endfunction()

# The tests that run several threads: all that a build with ThreadSanitizer needs.
add_custom_target(threaded_tests)

# tk_test(NAME MODULES ... SRCS ... LIBS ... LABELS ... TIMEOUT seconds ARGS ...)
# One cmocka executable that links only what it names, run by ctest from the source folder.
function(tk_test name)
    cmake_parse_arguments(arg "" "TIMEOUT" "SRCS;MODULES;LIBS;LABELS;ARGS" ${ARGN})
    tk_pkg(cmocka cmocka)
    add_executable(test_${name} ${arg_SRCS})
    foreach(module ${arg_MODULES})
        target_link_libraries(test_${name} PRIVATE tk_${module})
    endforeach()
    target_link_libraries(test_${name} PRIVATE tk_flags PkgConfig::cmocka ${arg_LIBS})
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_compile_definitions(test_${name} PRIVATE _GNU_SOURCE)
    add_test(NAME ${name} COMMAND test_${name} ${arg_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    if("threads" IN_LIST arg_LABELS)
        add_dependencies(threaded_tests test_${name})
    endif()
    set(timeout 120)
    if(arg_TIMEOUT)
        set(timeout ${arg_TIMEOUT})
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} LABELS "${arg_LABELS}")
endfunction()
