// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Just enough JSON-RPC to ask a local node things that `cairn` does not do: is it up, make a snapshot, reorganise. One
//! HTTP/1.1 request for each connection, to 127.0.0.1 only.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// Calls `method` and gives its result.
///
/// # Errors
/// No answer, or an error in it.
pub(crate) fn call(port: u16, method: &str, params: &Value) -> Result<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("the node does not answer")?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("{method}: no whole answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{method}: no HTTP answer"))?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{method}: {}", head.lines().next().unwrap_or_default());
    }
    let answer: Value = serde_json::from_str(body).with_context(|| format!("{method}: the answer is not JSON"))?;
    match (answer.get("result"), answer.get("error")) {
        (_, Some(error)) => bail!("{method}: {error}"),
        (Some(result), None) => Ok(result.clone()),
        (None, None) => bail!("{method}: neither result nor error"),
    }
}

/// Number of the newest block.
///
/// # Errors
/// No answer.
pub(crate) fn block_number(port: u16) -> Result<u64> {
    let number = call(port, "eth_blockNumber", &json!([]))?;
    let digits = number.as_str().and_then(|text| text.strip_prefix("0x")).context("eth_blockNumber")?;
    Ok(u64::from_str_radix(digits, 16)?)
}
