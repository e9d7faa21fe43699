# SPDX-License-Identifier: Apache-2.0 OR MIT
# The Rust library, for the CMake of an RTOS: rtos-freertos/cairn.cmake and rtos-zephyr/CMakeLists.txt include it. It takes
#
#   CAIRN_DOTCONFIG    the .config, absolute
#   CAIRN_RUST_TARGET  the Rust target triple that fits the C compiler
#   CAIRN_PANIC        the feature with the panic handler: panic-handler, or std for programs of the host
#   CAIRN_CARGO_OFFLINE  true: cargo does not ask the network
#   CAIRN_PREBUILT_DIR   a folder that `cargo xtask prebuilt` made: the library comes from there, and no Rust is needed
#
# (the last two may be unset) and the cache variables that rtos-freertos/cairn.cmake lists, each also from the environment. It gives
#
#   cairn_capi              the static library; cargo is asked at every build, and knows itself what changed
#   CAIRN_FEATURE_LIST      the cargo features that the .config chose
#   CAIRN_INCLUDE_DIRS      where cairn.h and cairn_config.h are
#   CAIRN_C_SOURCES         C that the configuration needs compiled with the application's own headers: the halves over PSA Crypto
#   CAIRN_C_DEFINITIONS     what it is compiled with
#
# and stops with a sentence when anything does not fit.
include_guard(GLOBAL)

get_filename_component(CAIRN_ROOT "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

function(_cairn_option name default text)
  if(NOT DEFINED ${name} AND DEFINED ENV{${name}})
    set(${name} "$ENV{${name}}" CACHE STRING "${text}")
  elseif(NOT DEFINED ${name})
    set(${name} "${default}" CACHE STRING "${text}")
  endif()
endfunction()

if(DEFINED CAIRN_FEATURES OR DEFINED ENV{CAIRN_FEATURES})
  message(FATAL_ERROR "Cairn: CAIRN_FEATURES is no more: what to build in is chosen in the .config (${CAIRN_DOTCONFIG}): "
    "CONFIG_CAIRN_SIGNER_..., CONFIG_CAIRN_ROOT_..., CONFIG_CAIRN_MONOTONIC, CONFIG_CAIRN_AT_MODEM, CONFIG_CAIRN_UDP. "
    "Unset CAIRN_FEATURES.")
endif()

if(NOT IS_ABSOLUTE "${CAIRN_DOTCONFIG}" OR NOT EXISTS "${CAIRN_DOTCONFIG}")
  message(FATAL_ERROR "Cairn: CAIRN_DOTCONFIG=\"${CAIRN_DOTCONFIG}\" must be the absolute path of a .config file")
endif()

if(CAIRN_PREBUILT_DIR)
  include("${CMAKE_CURRENT_LIST_DIR}/cairn_prebuilt.cmake")
else()
  include("${CMAKE_CURRENT_LIST_DIR}/cairn_cargo.cmake")
endif()

# The C halves over PSA Crypto; a curve or a cipher that the headers do not have is an error there.
set(CAIRN_C_SOURCES "")
set(CAIRN_C_DEFINITIONS "")
if("signer-psa" IN_LIST CAIRN_FEATURE_LIST)
  list(APPEND CAIRN_C_SOURCES "${CAIRN_ROOT}/component/psa/c/cairn_psa.c")
  if("es256" IN_LIST CAIRN_FEATURE_LIST)
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_ES256)
  else()
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_ES256K)
  endif()
endif()
if("psa-hash" IN_LIST CAIRN_FEATURE_LIST OR "psa-aead" IN_LIST CAIRN_FEATURE_LIST)
  list(APPEND CAIRN_C_SOURCES "${CAIRN_ROOT}/component/psa/crypto/c/cairn_psa_crypto.c")
  if("psa-hash" IN_LIST CAIRN_FEATURE_LIST)
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_SHA_256)
  endif()
  if("psa-aead" IN_LIST CAIRN_FEATURE_LIST)
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_AES_CCM)
  endif()
endif()
message(STATUS "Cairn: ${CAIRN_RUST_TARGET}, features ${CAIRN_FEATURE_LIST}, configuration ${CAIRN_DOTCONFIG}")
