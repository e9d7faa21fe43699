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
#   CAIRN_RUST_TARGET       the Rust target triple                   default: from the C compiler
#   CAIRN_CFLAGS            flags for the C that cargo compiles      default: below; used with CONFIG_CAIRN_SIGNER_LIBSECP256K1,
#                           before those that .cargo/config.toml has for the target
#
# What is built in, the signer above all, the .config says and nothing else. With CONFIG_CAIRN_SIGNER_PSA,
# CONFIG_CAIRN_PSA_HASH or CONFIG_CAIRN_PSA_AEAD `app` must find its <psa/crypto.h> and link what is behind it.
include_guard(GLOBAL)
cmake_minimum_required(VERSION 3.20)

get_filename_component(CAIRN_ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

function(_cairn_option name default text)
  if(NOT DEFINED ${name} AND DEFINED ENV{${name}})
    set(${name} "$ENV{${name}}" CACHE STRING "${text}")
  elseif(NOT DEFINED ${name})
    set(${name} "${default}" CACHE STRING "${text}")
  endif()
endfunction()

_cairn_option(CAIRN_DOTCONFIG "${CAIRN_ROOT}/component/config/default.config" "Kconfig .config of Cairn, absolute path")
_cairn_option(CAIRN_CARGO "cargo" "cargo")
_cairn_option(CAIRN_RUSTC "" "rustc; empty: what cargo finds")
_cairn_option(CAIRN_CARGO_ARGS "" "More arguments for cargo's device build")
_cairn_option(CAIRN_CARGO_TARGET_DIR "${CMAKE_BINARY_DIR}/cairn" "Where cargo builds for the device")
_cairn_option(CAIRN_HOST_TARGET_DIR "${CMAKE_BINARY_DIR}/cairn-host" "Where cargo builds what reads the .config")
_cairn_option(CAIRN_RUST_TARGET "" "Rust target triple; empty: from the C compiler")
_cairn_option(CAIRN_CFLAGS "-fomit-frame-pointer -fno-schedule-insns2" "Flags for the C that cargo compiles for the device")

if(DEFINED CAIRN_FEATURES OR DEFINED ENV{CAIRN_FEATURES})
  message(FATAL_ERROR "Cairn: CAIRN_FEATURES is no more: what to build in is chosen in the .config (${CAIRN_DOTCONFIG}): "
    "CONFIG_CAIRN_SIGNER_..., CONFIG_CAIRN_ROOT_..., CONFIG_CAIRN_MONOTONIC, CONFIG_CAIRN_AT_MODEM. Unset CAIRN_FEATURES.")
endif()

# The ABI of the library follows the C compiler; flags from elsewhere would silently break that.
foreach(name RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS)
  if(DEFINED ENV{${name}})
    message(FATAL_ERROR "Cairn: ${name} is set in the environment (\"$ENV{${name}}\"). It would change the code of the device "
      "library behind the build's back: unset it, and put what the target needs into CAIRN_RUST_TARGET or CAIRN_CARGO_ARGS.")
  endif()
endforeach()

if(NOT IS_ABSOLUTE "${CAIRN_DOTCONFIG}" OR NOT EXISTS "${CAIRN_DOTCONFIG}")
  message(FATAL_ERROR "Cairn: CAIRN_DOTCONFIG=\"${CAIRN_DOTCONFIG}\" must be the absolute path of a .config file")
endif()

# ---- which Rust target the C compiler's flags mean
# -----------------------------------------------------------------------
function(_cairn_rust_target out)
  separate_arguments(flags UNIX_COMMAND "${CMAKE_C_FLAGS}")
  get_directory_property(options COMPILE_OPTIONS)
  file(WRITE "${CMAKE_BINARY_DIR}/cairn-empty.c" "")
  execute_process(COMMAND "${CMAKE_C_COMPILER}" ${flags} ${options} -dM -E "${CMAKE_BINARY_DIR}/cairn-empty.c"
    OUTPUT_VARIABLE macros RESULT_VARIABLE failed ERROR_VARIABLE error)
  if(failed)
    message(FATAL_ERROR "Cairn: cannot ask ${CMAKE_C_COMPILER} what it compiles for; set CAIRN_RUST_TARGET.\n${error}")
  endif()
  set(float "")
  if(macros MATCHES "#define __ARM_PCS_VFP 1")
    set(float "hf")
  endif()
  if(macros MATCHES "#define __ARM_ARCH_6M__ 1")
    set(target "thumbv6m-none-eabi")
  elseif(macros MATCHES "#define __ARM_ARCH_7M__ 1")
    set(target "thumbv7m-none-eabi")
  elseif(macros MATCHES "#define __ARM_ARCH_7EM__ 1")
    set(target "thumbv7em-none-eabi${float}")
  elseif(macros MATCHES "#define __ARM_ARCH_8M_BASE__ 1")
    set(target "thumbv8m.base-none-eabi")
  elseif(macros MATCHES "#define __ARM_ARCH_8(_1)?M_MAIN__ 1")
    set(target "thumbv8m.main-none-eabi${float}")
  elseif(macros MATCHES "#define __riscv_xlen 32")
    if(NOT macros MATCHES "#define __riscv_float_abi_soft 1")
      message(FATAL_ERROR "Cairn: RISC-V with a hard-float ABI: set CAIRN_RUST_TARGET")
    elseif(macros MATCHES "#define __riscv_atomic ")
      set(target "riscv32imac-unknown-none-elf")
    else()
      set(target "riscv32imc-unknown-none-elf")
    endif()
  else()
    message(FATAL_ERROR "Cairn: no Rust target is known for what ${CMAKE_C_COMPILER} compiles for; set CAIRN_RUST_TARGET")
  endif()
  set(${out} "${target}" PARENT_SCOPE)
endfunction()

if(CAIRN_RUST_TARGET)
  set(_cairn_target "${CAIRN_RUST_TARGET}")
else()
  _cairn_rust_target(_cairn_target)
endif()

# ---- how cargo is called
# ---------------------------------------------------------------------------------------------------
set(_cairn_env "CAIRN_DOTCONFIG=${CAIRN_DOTCONFIG}")
set(_cairn_rustc "rustc")
if(CAIRN_RUSTC)
  list(APPEND _cairn_env "RUSTC=${CAIRN_RUSTC}")
  set(_cairn_rustc "${CAIRN_RUSTC}")
endif()
# What the caller set while configuring holds while building, from whichever shell that is.
if(DEFINED ENV{RUSTC_BOOTSTRAP})
  list(APPEND _cairn_env "RUSTC_BOOTSTRAP=$ENV{RUSTC_BOOTSTRAP}")
endif()

if(NOT CAIRN_CARGO_ARGS MATCHES "build-std")
  execute_process(COMMAND "${_cairn_rustc}" --print target-libdir --target "${_cairn_target}"
    OUTPUT_VARIABLE _cairn_libdir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _cairn_failed ERROR_VARIABLE _cairn_error
    WORKING_DIRECTORY "${CAIRN_ROOT}")
  if(_cairn_failed)
    message(FATAL_ERROR "Cairn: ${_cairn_rustc} does not know the target ${_cairn_target}, or is missing: install Rust "
      "(https://rustup.rs) or set CAIRN_RUSTC.\n${_cairn_error}")
  elseif(NOT IS_DIRECTORY "${_cairn_libdir}")
    message(FATAL_ERROR "Cairn: ${_cairn_rustc} has no standard library for ${_cairn_target}. Run\n"
      "  rustup target add ${_cairn_target}\n"
      "or, with the sources of the standard library, set CAIRN_CARGO_ARGS=-Zbuild-std=core,alloc and RUSTC_BOOTSTRAP=1.")
  endif()
endif()

# ---- cairn_config.h, and what the .config chooses
# --------------------------------------------------------------------------------------------------------
set(_cairn_include "${CMAKE_BINARY_DIR}/cairn-include")
file(MAKE_DIRECTORY "${_cairn_include}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CAIRN_DOTCONFIG}"
  "${CAIRN_ROOT}/component/config/src/dotconfig.rs" "${CAIRN_ROOT}/component/config/src/main.rs"
  "${CAIRN_ROOT}/component/config/src/symbols.rs")
# Asks cairn-config, the only reader of a .config.
function(_cairn_ask_config out)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env ${_cairn_env} "CARGO_TARGET_DIR=${CAIRN_HOST_TARGET_DIR}"
      "${CAIRN_CARGO}" run --quiet --locked --package cairn-config -- ${ARGN}
    WORKING_DIRECTORY "${CAIRN_ROOT}" RESULT_VARIABLE failed OUTPUT_VARIABLE answer ERROR_VARIABLE error
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    message(FATAL_ERROR "Cairn: ${CAIRN_DOTCONFIG} is no configuration of Cairn\n${error}")
  endif()
  set(${out} "${answer}" PARENT_SCOPE)
endfunction()
_cairn_ask_config(_cairn_said header "${CAIRN_DOTCONFIG}" "${_cairn_include}/cairn_config.h")
_cairn_ask_config(_cairn_features features "${CAIRN_DOTCONFIG}")
string(REPLACE "," ";" _cairn_feature_list "${_cairn_features}")

# The C that cargo compiles is compiled by this build's compiler. cargo takes the variables with the target's name in them.
if("signer-libsecp256k1" IN_LIST _cairn_feature_list)
  string(REPLACE "-" "_" _cairn_target_name "${_cairn_target}")
  string(REPLACE "." "_" _cairn_target_name "${_cairn_target_name}")
  list(APPEND _cairn_env "CC_${_cairn_target_name}=${CMAKE_C_COMPILER}" "AR_${_cairn_target_name}=${CMAKE_AR}"
    # Not CFLAGS_<target>: that is .cargo/config.toml's, with what must be true of the target.
    "TARGET_CFLAGS=${CAIRN_CFLAGS}")
endif()

# ---- the library: cargo is asked at every build and knows itself what changed
# ------------------------------------------------
set(_cairn_library "${CAIRN_CARGO_TARGET_DIR}/${_cairn_target}/device/libcairn_capi.a")
set(_cairn_own_library "${CMAKE_BINARY_DIR}/libcairn_capi.a")
add_custom_target(cairn_rust
  COMMAND "${CMAKE_COMMAND}" -E env ${_cairn_env} "CARGO_TARGET_DIR=${CAIRN_CARGO_TARGET_DIR}"
    "${CAIRN_CARGO}" rustc --locked ${CAIRN_CARGO_ARGS} --package cairn-capi --lib --crate-type staticlib
    --target "${_cairn_target}" --profile device --no-default-features --features "panic-handler,${_cairn_features}"
  # Another build in the same target directory may replace cargo's; this copy is this build's, and changes only when it
  # does.
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${_cairn_library}" "${_cairn_own_library}"
  WORKING_DIRECTORY "${CAIRN_ROOT}"
  BYPRODUCTS "${_cairn_own_library}"
  COMMENT "Cairn: cargo builds the library for ${_cairn_target}"
  USES_TERMINAL VERBATIM)

add_library(cairn_capi STATIC IMPORTED GLOBAL)
set_target_properties(cairn_capi PROPERTIES IMPORTED_LOCATION "${_cairn_own_library}")
add_dependencies(cairn_capi cairn_rust)

add_library(cairn_freertos INTERFACE)
add_library(cairn::freertos ALIAS cairn_freertos)
target_sources(cairn_freertos INTERFACE
  "${CAIRN_ROOT}/rtos-freertos/cairn_freertos.c"
  "${CAIRN_ROOT}/rtos-freertos/cairn_freertos_clock.c")
target_include_directories(cairn_freertos INTERFACE
  "${CAIRN_ROOT}/rtos-freertos" "${CAIRN_ROOT}/component/capi/include" "${_cairn_include}")
target_link_libraries(cairn_freertos INTERFACE cairn_capi)
# The C half of the signer over PSA Crypto is compiled against the application's own headers; a curve they do not have is an error.
if("signer-psa" IN_LIST _cairn_feature_list)
  target_sources(cairn_freertos INTERFACE "${CAIRN_ROOT}/component/psa/c/cairn_psa.c")
  if("es256" IN_LIST _cairn_feature_list)
    target_compile_definitions(cairn_freertos INTERFACE CAIRN_PSA_NEEDS_ES256)
  else()
    target_compile_definitions(cairn_freertos INTERFACE CAIRN_PSA_NEEDS_ES256K)
  endif()
endif()
# The same of SHA-256 and AES-CCM. Cores before Armv7-M have no atomic test and set: the kernel keeps other tasks out.
if("psa-hash" IN_LIST _cairn_feature_list OR "psa-aead" IN_LIST _cairn_feature_list)
  target_sources(cairn_freertos INTERFACE "${CAIRN_ROOT}/component/psa/crypto/c/cairn_psa_crypto.c")
  target_compile_definitions(cairn_freertos INTERFACE CAIRN_PSA_FREERTOS)
  if("psa-hash" IN_LIST _cairn_feature_list)
    target_compile_definitions(cairn_freertos INTERFACE CAIRN_PSA_NEEDS_SHA_256)
  endif()
  if("psa-aead" IN_LIST _cairn_feature_list)
    target_compile_definitions(cairn_freertos INTERFACE CAIRN_PSA_NEEDS_AES_CCM)
  endif()
endif()
message(STATUS "Cairn: ${_cairn_target}, features ${_cairn_features}, configuration ${CAIRN_DOTCONFIG}")
