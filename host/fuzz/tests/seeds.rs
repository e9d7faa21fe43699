// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every committed seed holds its property, and is taken: a seed that is refused at once would teach the fuzzer
//! nothing.

use std::{fs, path::Path};

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        .map(|entry| {
            let path = entry.expect("entry").path();
            (path.display().to_string(), fs::read(&path).expect("seed"))
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

fn hold(target: &str, property: fn(&[u8]), taken: fn(&[u8]) -> bool) {
    for (name, bytes) in seeds(target) {
        assert!(taken(&bytes), "{name} is refused");
        property(&bytes);
    }
}

#[test]
fn seeds_are_taken_and_hold_their_property() {
    use cairn::{endorsement::Endorsement, factory::Factory, record::SequenceNumber, uplink};
    use cairn_coap::message::Message;
    hold("uplink", cairn_fuzz::uplink, |bytes| uplink::Uplink::decode(bytes).is_ok());
    hold("downlink", cairn_fuzz::downlink, |bytes| uplink::Downlink::decode(bytes).is_ok());
    hold("evidence", cairn_fuzz::evidence, |bytes| cairn_evidence::read(bytes).is_ok());
    // The seed is the body of an image: the target puts it into one.
    hold("factory", cairn_fuzz::factory, |bytes| Factory::decode(bytes).is_err());
    hold("endorsement", cairn_fuzz::endorsement, |bytes| Endorsement::decode(bytes).is_ok());
    hold("coap_message", cairn_fuzz::coap_message, |bytes| Message::parse(bytes).is_ok());
    hold("at_parser", cairn_fuzz::at_parser, |bytes| bytes.len() > 2);
    hold("journal", cairn_fuzz::journal, cairn_fuzz::journal_mounts);
    hold("oscore", cairn_fuzz::oscore, |bytes| bytes.len() > 4);
    hold("delta", cairn_fuzz::delta, |bytes| {
        let count = u32::from(u16::from_be_bytes([bytes[8], bytes[9]]));
        let mut decoder = uplink::delta::Decoder::new(&bytes[10..], SequenceNumber(0), count);
        let mut buf = [0; 1024];
        loop {
            match decoder.next(&mut buf) {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    });
}
