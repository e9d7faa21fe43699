# SPDX-License-Identifier: Apache-2.0 OR MIT
# Cairn for a FreeRTOS project built with CMake. After project():
#
#   set(CAIRN_DOTCONFIG ${CMAKE_CURRENT_SOURCE_DIR}/meter.config)    # absolute; default: Cairn's default configuration
#   include(<cairn>/rtos-freertos/cairn.cmake)
#   target_link_libraries(app PRIVATE cairn::freertos freertos_kernel)
#
# cairn::freertos brings the C glue (compiled with the flags of `app`), cairn.h, cairn_config.h and the Rust library,
# which cargo builds for the target that the C compiler's flags mean. It is built again when its sources or its options
# change.
#
# Cache variables, each also taken from the environment when not set:
#   CAIRN_CARGO             cargo                                    default: the first on PATH
#   CAIRN_RUSTC             rustc                                    default: what cargo finds
#   CAIRN_CARGO_ARGS        more arguments for the device build, a list; for instance -Zbuild-std=core,alloc
#   CAIRN_CARGO_TARGET_DIR  where cargo builds                       default: <build>/cairn
#   CAIRN_HOST_TARGET_DIR   where cargo builds cairn-config          default: <build>/cairn-host
#   CAIRN_CARGO_OFFLINE     ON: cargo does not ask the network       default: OFF; needs its cache warm, or vendored crates
#   CAIRN_RUST_TARGET       the Rust target triple                   default: from the C compiler
#   CAIRN_PREBUILT_DIR      a folder that `cargo xtask prebuilt`     default: none, cargo builds
#                           made: no Rust is needed then
#   CAIRN_CFLAGS            flags for the C that cargo compiles      default: below; used with CONFIG_CAIRN_SIGNER_LIBSECP256K1,
#                           before those that .cargo/config.toml has for the target
#
# What is built in, the signer above all, the .config says and nothing else. With CONFIG_CAIRN_SIGNER_PSA,
# CONFIG_CAIRN_PSA_HASH or CONFIG_CAIRN_PSA_AEAD `app` must find its <psa/crypto.h> and link what is behind it.
include_guard(GLOBAL)
cmake_minimum_required(VERSION 3.20)

if(NOT DEFINED CAIRN_DOTCONFIG AND DEFINED ENV{CAIRN_DOTCONFIG})
  set(CAIRN_DOTCONFIG "$ENV{CAIRN_DOTCONFIG}" CACHE STRING "Kconfig .config of Cairn, absolute path")
elseif(NOT DEFINED CAIRN_DOTCONFIG)
  get_filename_component(_cairn_default "${CMAKE_CURRENT_LIST_DIR}/../component/config/default.config" ABSOLUTE)
  set(CAIRN_DOTCONFIG "${_cairn_default}" CACHE STRING "Kconfig .config of Cairn, absolute path")
endif()

# ---- which Rust target the C compiler's flags mean
include("${CMAKE_CURRENT_LIST_DIR}/../component/capi/cairn_rust_target.cmake")
function(_cairn_rust_target out)
  separate_arguments(flags UNIX_COMMAND "${CMAKE_C_FLAGS}")
  get_directory_property(options COMPILE_OPTIONS)
  file(WRITE "${CMAKE_BINARY_DIR}/cairn-empty.c" "")
  execute_process(COMMAND "${CMAKE_C_COMPILER}" ${flags} ${options} -dM -E "${CMAKE_BINARY_DIR}/cairn-empty.c"
    OUTPUT_VARIABLE macros RESULT_VARIABLE failed ERROR_VARIABLE error)
  if(failed)
    message(FATAL_ERROR "Cairn: cannot ask ${CMAKE_C_COMPILER} what it compiles for; set CAIRN_RUST_TARGET.\n${error}")
  endif()
  cairn_rust_target_of_macros(target "${macros}")
  if(NOT target)
    message(FATAL_ERROR "Cairn: no Rust target is known for what ${CMAKE_C_COMPILER} compiles for. ${CAIRN_TARGETS_KNOWN}. "
      "Set CAIRN_RUST_TARGET.")
  endif()
  set(${out} "${target}" PARENT_SCOPE)
endfunction()

if(NOT CAIRN_RUST_TARGET AND DEFINED ENV{CAIRN_RUST_TARGET})
  set(CAIRN_RUST_TARGET "$ENV{CAIRN_RUST_TARGET}")
elseif(NOT CAIRN_RUST_TARGET)
  _cairn_rust_target(CAIRN_RUST_TARGET)
endif()

foreach(name CAIRN_CARGO_OFFLINE CAIRN_PREBUILT_DIR)
  if(NOT DEFINED ${name})
    set(${name} "$ENV{${name}}" CACHE STRING "See rtos-freertos/cairn.cmake")
  endif()
endforeach()
set(CAIRN_PANIC panic-handler)
include("${CMAKE_CURRENT_LIST_DIR}/../component/capi/cairn_library.cmake")

add_library(cairn_freertos INTERFACE)
add_library(cairn::freertos ALIAS cairn_freertos)
target_sources(cairn_freertos INTERFACE
  "${CAIRN_ROOT}/rtos-freertos/cairn_freertos.c"
  "${CAIRN_ROOT}/rtos-freertos/cairn_freertos_clock.c"
  ${CAIRN_C_SOURCES})
# Cores before Armv7-M have no atomic test and set: the kernel keeps other tasks out of PSA Crypto.
target_compile_definitions(cairn_freertos INTERFACE ${CAIRN_C_DEFINITIONS} CAIRN_PSA_FREERTOS)
target_include_directories(cairn_freertos INTERFACE "${CAIRN_ROOT}/rtos-freertos" ${CAIRN_INCLUDE_DIRS})
target_link_libraries(cairn_freertos INTERFACE cairn_capi)
