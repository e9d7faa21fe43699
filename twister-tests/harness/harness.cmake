# SPDX-License-Identifier: Apache-2.0 OR MIT
# What every test image shares: a flash of which a part outlives restarts, a source of random bytes that can fail, and a test_main
# that restarts the device between suites. Included before find_package(Zephyr), which reads what is set here; a test then calls
# cairn_test_sources().
set(HARNESS "${CMAKE_CURRENT_LIST_DIR}")
# The board's name without its qualifiers.
string(REGEX REPLACE "/.*" "" harness_board "${BOARD}")

list(APPEND DTS_ROOT "${HARNESS}")
list(APPEND EXTRA_DTC_OVERLAY_FILE "${HARNESS}/boards/${harness_board}.overlay")
set(KCONFIG_ROOT "${HARNESS}/Kconfig")
# A test's own options come last. What testcase.yaml adds comes after these.
set(CONF_FILE "${HARNESS}/harness.conf" "${HARNESS}/boards/${harness_board}.conf" "${CMAKE_CURRENT_SOURCE_DIR}/prj.conf")
if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/boards/${harness_board}.conf")
  list(APPEND CONF_FILE "${CMAKE_CURRENT_SOURCE_DIR}/boards/${harness_board}.conf")
endif()

# Adds the harness to the application, and the test's own sources.
function(cairn_test_sources)
  target_sources(app PRIVATE "${HARNESS}/boots.c" "${HARNESS}/entropy.c" "${HARNESS}/device.c" "${HARNESS}/results.c" ${ARGN})
  if(CONFIG_CAIRN_TRANSPORT_CUSTOM)
    target_sources(app PRIVATE "${HARNESS}/nobody.c")
  endif()
  target_include_directories(app PRIVATE "${HARNESS}")
  if(CONFIG_ARCH_POSIX)
    target_sources(native_simulator INTERFACE "${HARNESS}/restart_native.c")
  endif()
endfunction()
