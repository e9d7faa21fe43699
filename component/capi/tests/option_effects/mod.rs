// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the effect of each option is shown: a file of the project, and words of it that name the test. Read by options.rs, which
//! fails for an option without a row, for a row without an option, and when the words are no longer there. Stage `kconfig` sees to
//! it that both trees have no option beside these.

/// Options without `CONFIG_CAIRN_`, and the tests that show what they do.
pub(crate) type Row = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const OPTIONS: &str = "component/capi/tests/options.rs";
const ENERGY: &str = "component/capi/tests/energy.rs";
const SIGNERS: &str = "component/capi/tests/signers.rs";
const C_INTERFACE: &str = "component/capi/tests/c_interface.rs";
const KEYS: &str = "component/capi/tests/keys.rs";
const PROOFS: &str = "xtask/src/zephyr/glue/proofs.rs";
const GLUE: &str = "xtask/src/zephyr/glue.rs";
const KCONFIG: &str = "xtask/src/kconfig.rs";
const DOTCONFIG: &str = "component/config/src/dotconfig_tests.rs";

const TOLD: (&str, &str) = (OPTIONS, "fn numbers_and_levels_reach_the_agent_in_its_own_units");
const POWER: (&str, &str) = (OPTIONS, "fn deadlines_battery_and_energy_model_reach_the_schedule_in_its_own_units");
const EXCHANGE: (&str, &str) =
    (OPTIONS, "fn what_is_due_when_the_retransmissions_and_what_is_uploaded_are_the_configurations");
const FLOOD: (&str, &str) =
    (OPTIONS, "fn the_longest_uplink_bounds_a_batch_the_flash_all_batches_and_urgent_records_displace_where_they_may");
const ELEMENT: (&str, &str) = (OPTIONS, "fn numbers_of_the_chip_reach_its_driver_and_the_modems_line_its_buffers");
const CHOSEN: (&str, &str) = (DOTCONFIG, "fn each_choice_turns_on_its_cargo_features");

pub(crate) const EFFECTS: &[Row] = &[
    (&["PAYLOAD_MAX"], &[TOLD]),
    (&["QUEUE_LENGTH"], &[(C_INTERFACE, "fn a_full_queue_refuses_counts_and_loses_nothing_it_took")]),
    (&["WAITERS"], &[(PROOFS, "ARRAY_SIZE(waiters) == 7"), TOLD]),
    (&["TASK_STACK_BYTES"], &[(PROOFS, "sizeof(stack) == 9216")]),
    // The beats of a task below the agent's come late in the control image, and in time in the other.
    (&["TASK_PRIORITY"], &[(PROOFS, "TASK_PRIORITY=15"), ("xtask/src/demo/mod.rs", "Meter::Control")]),
    (
        &["SELFTEST_AT_BOOT"],
        &[(C_INTERFACE, "fn a_primitive_that_breaks_is_named_and_stops_the_agent_on_demand_and_by_option_at_boot")],
    ),
    (&["JOURNAL_BYTES", "JOURNAL_FULL_REFUSE", "JOURNAL_FULL_DISPLACE", "UPLINK_MAX"], &[FLOOD]),
    (&["FLASH_WRITE_SIZE"], &[FLOOD, (PROOFS, "FLASH_WRITE_SIZE=2")]),
    (&["FLASH_ERASE_SIZE"], &[FLOOD, (PROOFS, "FLASH_ERASE_SIZE=2048")]),
    (
        &["MONOTONIC"],
        &[(C_INTERFACE, "fn flash_that_was_rolled_back_is_refused_and_a_new_stream_above_the_counter_is_the_way_on")],
    ),
    (&["UPLOAD_DATA", "UPLOAD_HASH_ONLY"], &[EXCHANGE]),
    (&["DEADLINE_URGENT_S", "DEADLINE_ROUTINE_S"], &[POWER, EXCHANGE]),
    (&["DEADLINE_BULK_S"], &[POWER]),
    (
        &[
            "POWER_BATTERY_MAH",
            "POWER_BATTERY_MV",
            "POWER_BATTERY_USABLE_PERMILLE",
            "POWER_SELF_DISCHARGE_PERMILLE",
            "POWER_LIFE_YEARS",
            "POWER_DEVICE_UW",
            "POWER_BURST_J",
            "POWER_RESERVE_J",
        ],
        &[POWER],
    ),
    (
        &["URGENT_BURST", "URGENT_INTERVAL_S"],
        &[
            POWER,
            (ENERGY, "fn urgent_records_over_the_configured_limit_are_counted_and_told_after_the_configured_interval"),
        ],
    ),
    (&["T3412_S"], &[POWER, (ENERGY, "fn an_exchange_and_each_tracking_area_update_cost_what_the_application_says")]),
    (
        &[
            "ENERGY_CE0_WAKE_UJ",
            "ENERGY_CE0_SETUP_UJ",
            "ENERGY_CE0_BYTE_UJ",
            "ENERGY_CE0_ROUND_TRIP_UJ",
            "ENERGY_CE0_RELEASE_UJ",
            "ENERGY_CE0_TAU_UJ",
            "ENERGY_CE0_PAGING_UJ",
            "ENERGY_CE0_ATTACH_UJ",
            "ENERGY_CE0_USUAL_MS",
            "ENERGY_CE1_WAKE_UJ",
            "ENERGY_CE1_SETUP_UJ",
            "ENERGY_CE1_BYTE_UJ",
            "ENERGY_CE1_ROUND_TRIP_UJ",
            "ENERGY_CE1_RELEASE_UJ",
            "ENERGY_CE1_TAU_UJ",
            "ENERGY_CE1_PAGING_UJ",
            "ENERGY_CE1_ATTACH_UJ",
            "ENERGY_CE1_USUAL_MS",
            "ENERGY_CE2_WAKE_UJ",
            "ENERGY_CE2_SETUP_UJ",
            "ENERGY_CE2_BYTE_UJ",
            "ENERGY_CE2_ROUND_TRIP_UJ",
            "ENERGY_CE2_RELEASE_UJ",
            "ENERGY_CE2_TAU_UJ",
            "ENERGY_CE2_PAGING_UJ",
            "ENERGY_CE2_ATTACH_UJ",
            "ENERGY_CE2_USUAL_MS",
            "ENERGY_FLOOR_NW",
            "ENERGY_TAIL_UW",
            "ENERGY_TAIL_MS",
            "ENERGY_SIGNATURE_UJ",
            "ENERGY_FLASH_WRITE_UJ",
            "ENERGY_FLASH_ERASE_UJ",
            "ENERGY_UNKNOWN_LEVEL",
        ],
        &[POWER],
    ),
    (&["COAP_ACK_TIMEOUT_MS", "COAP_MAX_RETRANSMIT"], &[EXCHANGE]),
    (
        &["LEDGER_ROOT", "LEDGER_DIRECT"],
        &[(DOTCONFIG, "fn direct_mode_is_refused_with_every_signer_on_p256_and_changes_no_library")],
    ),
    (
        &["PRUNE_FINAL", "PRUNE_INCLUDED", "PRUNE_STORED"],
        &[TOLD, ("component/tests/agent_pruning.rs", "fn a_ledger_that_never_becomes_final_fills_the_journal_only")],
    ),
    (
        &["RETENTION_HOURS"],
        &[TOLD, ("component/tests/agent_retention.rs", "fn with_a_retention_time_it_never_fills_up")],
    ),
    (&["CLOCK_STEP_MS"], &[TOLD, ("component/tests/agent.rs", "fn a_clock_that_is_set_leaves_a_record_of_the_step")]),
    (
        &["RELAY_STEP_MAX_S"],
        &[
            TOLD,
            ("component/tests/agent.rs", "fn the_relay_sets_a_clock_that_nothing_else_set_and_later_moves_it_only"),
        ],
    ),
    (
        &["SENDER_SEQUENCE_BLOCK"],
        &[TOLD, ("component/tests/journal_basics.rs", "fn sender_sequence_numbers_are_reserved_once")],
    ),
    (&["AT_MODEM"], &[CHOSEN, (SIGNERS, "fn a_key_on_the_sim_signs_through_the_modem_of_the_link")]),
    (&["UDP"], &[(KCONFIG, "\"CONFIG_CAIRN_ZEPHYR_SOCKETS=y\""), (DOTCONFIG, "fn one_transport_is_chosen")]),
    (&["TRANSPORT_CUSTOM"], &[(SIGNERS, "fn datagrams_of_the_product_carry_an_exchange")]),
    (&["MODEM_BC660K", "MODEM_BC66"], &[CHOSEN, ("transports/at-modem/tests/behaviour.rs", "BC66, BC660K")]),
    (&["AT_LINE_MAX"], &[ELEMENT]),
    (&["AT_RX_BYTES"], &[(PROOFS, "sizeof(_ring_buffer_data_received) == 1024")]),
    (
        &["SIGNER_SOFTWARE", "SIGNER_P256", "SIGNER_FAST"],
        &[CHOSEN, (SIGNERS, "fn the_software_signers_of_both_curves_sign_and_take_blobs_with_their_key_only")],
    ),
    (&["SIGNER_LIBSECP256K1"], &[(SIGNERS, "fn libsecp256k1_signs_and_takes_blobs_with_its_key_only")]),
    (
        &["SIGNER_PSA", "PSA_KEY_ID"],
        &[(
            "component/capi/tests/signer_psa.rs",
            "fn a_key_that_psa_crypto_generated_signs_after_a_restart_and_another_is_not_taken_for_it",
        )],
    ),
    (
        &["PSA_HASH", "PSA_AEAD"],
        &[(
            "component/capi/tests/signer_psa.rs",
            "fn a_device_whose_key_hashes_and_cipher_are_all_psa_cryptos_signs_what_software_verifies",
        )],
    ),
    (&["SIGNER_SE050"], &[(SIGNERS, "fn a_secure_element_signs_comes_back_and_says_what_is_wrong_with_it")]),
    (
        &["SIGNER_CUSTOM", "KEY_SECP256K1", "KEY_P256"],
        &[(SIGNERS, "fn a_signer_of_the_product_signs_on_both_curves_and_is_believed_nothing")],
    ),
    (
        &["SE050_KEY_ID", "SE050_I2C_ADDRESS", "SE050_INFORMATION_BYTES", "SE050_SCP03", "SE050_POWER_GATE"],
        &[(SIGNERS, "fn a_secure_element_without_switch_and_channel_signs_on_p256_at_another_address")],
    ),
    (&["SE050_I2C_KHZ", "SE050_POWER_UP_MS", "SE050_POWER_OFF_MS", "SE050_ATTEMPT_MS"], &[ELEMENT]),
    (
        &["SIGNER_SIM", "SIM_CAIRN_K1", "SIM_CHANNELS"],
        &[(SIGNERS, "fn a_key_on_the_sim_signs_through_the_modem_of_the_link")],
    ),
    (
        &["SIM_IOT_SAFE", "SIM_PRIVATE_KEY_ID", "SIM_PUBLIC_KEY_ID", "SIM_CSIM"],
        &[(SIGNERS, "fn iot_safe_signs_with_the_containers_that_the_configuration_names")],
    ),
    (&["KEY_STORE"], &[(KEYS, "fn a_key_is_drawn_at_the_first_start_and_is_the_same_at_every_later_one")]),
    (
        &["KEY_AT_REST_SEALED", "KEY_AT_REST_INSECURELY_PLAIN"],
        &[(KEYS, "fn the_factorys_key_is_imported_and_lies_sealed")],
    ),
    (&["KEY_NOISE"], &[(KEYS, "fn a_dead_noise_source_gives_no_key_neither_the_first_nor_the_next")]),
    (&["KEY_NOISE_BITS"], &[("component/src/keys/noise.rs", "fn the_cutoffs_are_those_of_the_standard")]),
    (&["ROOT_NONE"], &[(C_INTERFACE, "fn without_a_root_of_trust_of_this_build_there_is_no_endorsement")]),
    (&["ROOT_FACTORY_KEY"], &[(C_INTERFACE, "fn an_endorsement_is_given_whole_or_refused_and_both_keys_signed_it")]),
    (&["ROOT_PSA"], &[CHOSEN, ("component/psa/src/attestation.rs", "impl RootOfTrust for PsaRoot")]),
    (&["ROOT_SE050"], &[(SIGNERS, "fn a_secure_element_vouches_for_its_key_through_c")]),
    // Those of one RTOS's glue.
    (&["RTOS_SOCKETS"], &[(DOTCONFIG, "fn one_transport_is_chosen_and_sockets_only_where_the_glue_has_them")]),
    (&["ZEPHYR_SOCKETS"], &[(KCONFIG, "\"CONFIG_CAIRN_ZEPHYR_SOCKETS=y\"")]),
    (&["ZEPHYR_UART"], &[(KCONFIG, "\"CONFIG_CAIRN_ZEPHYR_UART=y\"")]),
    (&["ZEPHYR_I2C"], &[(KCONFIG, "\"CONFIG_CAIRN_ZEPHYR_I2C=y\"")]),
    (&["SHELL"], &[(KCONFIG, "\"CONFIG_CAIRN_SHELL=y\"")]),
    (&["RUST", "RUST_SOCKETS"], &[(GLUE, "CAIRN_RUST_SOCKETS=n"), ("xtask/src/zephyr/lock.rs", "zephyr-rust")]),
    (
        &["FIRMWARE_RECORD"],
        &[
            (C_INTERFACE, "fn a_confirmed_image_is_journaled_once_over_reboots"),
            (KCONFIG, "CONFIG_CAIRN_FIRMWARE_RECORD=y"),
        ],
    ),
    (&["SNTP"], &[(PROOFS, "CONFIG_CAIRN_SNTP_SERVER says no server")]),
    (&["INSECURE_ENTROPY"], &[(PROOFS, "say CONFIG_CAIRN_INSECURE_ENTROPY=y")]),
    (&["SNTP_SERVER", "SNTP_INTERVAL_H", "SNTP_STACK_BYTES"], &[(PROOFS, "SNTP_INTERVAL_H=5")]),
    (&["FACTORY_IN_IMAGE", "FACTORY_FILE"], &[(PROOFS, "sizeof(embedded) == 3")]),
    (&["CARGO_OFFLINE"], &[("xtask/src/library/calls.rs", "offline")]),
    (&["PREBUILT", "PREBUILT_DIR"], &[("xtask/src/prebuilt/proof.rs", "CONFIG_CAIRN_PREBUILT_DIR")]),
];
