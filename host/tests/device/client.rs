// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A CoAP and OSCORE client without timers: it protects what it is told and opens what comes.

use cairn::record::StreamId;
use cairn_coap::{
    message::{Builder, Code, Head, Options, Type, option},
    oscore::{Binding, Context, Secrets},
};

/// One end of one security context.
pub(crate) struct Client {
    pub(crate) context: Context,
    pub(crate) number: u64,
    pub(crate) message_id: u16,
}

/// What a request asks for, beside its payload.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) kind: Type,
    pub(crate) code: Code,
    pub(crate) path: &'a str,
    pub(crate) echo: Option<&'a [u8]>,
    pub(crate) extra: Option<u16>,
    pub(crate) named: bool,
}

pub(crate) const ASK: Ask<'static> =
    Ask { kind: Type::Confirmable, code: Code::POST, path: "a", echo: None, extra: None, named: true };

/// An answer that was verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) echo: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
}

impl Client {
    pub(crate) fn new(kid: [u8; 4], master_secret: &[u8; 16], stream: StreamId) -> Self {
        let id_context = stream.0.to_be_bytes();
        let secrets = Secrets { master_secret, master_salt: &[], id_context: Some(&id_context) };
        let context = Context::derive(&secrets, &kid, &[]).unwrap();
        Self { context, number: 0, message_id: 100 }
    }

    pub(crate) fn request(&mut self, ask: &Ask<'_>, payload: &[u8]) -> (Vec<u8>, Binding) {
        let mut options = [0; 80];
        let mut builder = Builder::options(&mut options);
        builder.option(option::URI_PATH, ask.path.as_bytes()).unwrap();
        if let Some(echo) = ask.echo {
            builder.option(option::ECHO, echo).unwrap();
        }
        if let Some(extra) = ask.extra {
            builder.option(extra, b"x").unwrap();
        }
        let length = builder.finish();
        let options = Options::parse(&options[..length]).unwrap();
        self.message_id += 1;
        let head = Head { kind: ask.kind, code: ask.code, message_id: self.message_id, token: &[7, 7], options };
        let mut out = vec![0; 2048];
        let (length, binding) = self.context.protect_request(self.number, ask.named, &head, payload, &mut out).unwrap();
        self.number += 1;
        out.truncate(length);
        (out, binding)
    }

    pub(crate) fn open(&self, binding: &Binding, answer: &[u8]) -> Answer {
        let mut answer = answer.to_vec();
        let inner = self.context.unprotect_response(binding, &mut answer).expect("a protected answer");
        Answer { code: inner.code, echo: inner.options.echo().map(<[u8]>::to_vec), payload: inner.payload.to_vec() }
    }
}
