# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Interoperability with aiocoap, an independent implementation of CoAP and OSCORE, both ways over real sockets.

Usage: python interop_aiocoap.py PATH_TO_EXAMPLE_INTEROP
Needs `pip install aiocoap[oscore]` (0.4.17 was used) and `cargo build -p cairn-coap --example interop`.
Exits 0 when every check held; each is printed.
"""

import asyncio
import gc
import json
import re
import socket
import sys
import tempfile
from pathlib import Path

import aiocoap
import aiocoap.oscore
import aiocoap.oscore_sitewrapper
import aiocoap.resource
from aiocoap.credentials import CredentialsMap

SECRET = bytes(range(16)).hex()
STREAM = "1122334455667788"
KID = "ca140001"
LINE = re.compile(r"(ok|error) (\S+) up (\d+) (\d+) down (\d+)")


def security_context(directory, role, received):
    """A context as aiocoap stores it; `received` "unknown" makes a server ask for Echo (RFC 8613, B.1.2)."""
    sender, recipient = ("", KID) if role == "server" else (KID, "")
    path = Path(directory) / role
    path.mkdir()
    settings = {
        "sender-id_hex": sender,
        "recipient-id_hex": recipient,
        "secret_hex": SECRET,
        "id-context_hex": STREAM,
    }
    (path / "settings.json").write_text(json.dumps(settings))
    (path / "sequence.json").write_text(json.dumps({"next-to-send": 0, "received": received}))
    return KidAlone(str(path))


class KidAlone(aiocoap.oscore.FilesystemSecurityContext):
    """Finds the context also without kid context, as RFC 8613 section 5.1 allows and our relay does."""

    kid_contexts = []

    def get_oscore_context_for(self, unprotected):
        kid_context = unprotected.get(aiocoap.oscore.COSE_KID_CONTEXT)
        if unprotected.get(aiocoap.oscore.COSE_KID) != self.recipient_id:
            return None
        if kid_context not in (None, self.id_context):
            return None
        self.kid_contexts.append(kid_context)
        return self


class Uplinks(aiocoap.resource.Resource):
    """Answers with the last eight bytes; a payload of ones is answered late, so that the response is a separate one."""

    async def render_post(self, request):
        if request.payload[0] == 1:
            await asyncio.sleep(0.6)
        if request.payload[0] == 3:
            return aiocoap.Message(code=aiocoap.CONFLICT)
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload[-8:])


def check(what, got, expected):
    if got != expected:
        sys.exit(f"FAIL {what}: {got}, not {expected}")
    print(f"ok   {what}")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def our_client(program, directory):
    """Five exchanges of our client with aiocoap's server, which asks for Echo first."""
    site = aiocoap.resource.Site()
    site.add_resource(["a"], Uplinks())
    context = security_context(directory, "server", "unknown")
    context.authenticated_claims = [":device"]
    credentials = CredentialsMap()
    credentials[":device"] = context
    wrapped = aiocoap.oscore_sitewrapper.OscoreSiteWrapper(site, credentials)
    port = free_port()
    server = await aiocoap.Context.create_server_context(
        wrapped, bind=("127.0.0.1", port), transports=["simplesocketserver"]
    )
    process = await asyncio.create_subprocess_exec(
        program, "client", f"127.0.0.1:{port}", "5", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    await server.shutdown()

    check("our client ended well", process.returncode, 0)
    lines = [LINE.fullmatch(line).groups() for line in output.decode().splitlines()]
    check("it made five exchanges", len(lines), 5)
    (first, separate, third, refused, last) = lines
    check("aiocoap's Echo challenge was answered: two requests, one downlink", first, ("ok", "00" * 8, "2", "422", "2"))
    # The request, and the ACK of the separate response; received: an empty ACK and the response.
    check("a separate response was taken and acknowledged", separate, ("ok", "01" * 8, "2", "200", "2"))
    check("a piggybacked response was taken", third, ("ok", "02" * 8, "1", "196", "1"))
    check("a protected 4.09 is a verified refusal", refused, ("error", "Rejected(137)", "1", "196", "1"))
    check("the exchange after a failure names the context again", last, ("ok", "04" * 8, "1", "206", "1"))
    stream = bytes.fromhex(STREAM)
    check("the kid context was sent when it had to be", context.kid_contexts, [stream, stream, None, None, None, stream])


async def our_server(program, directory):
    """Three requests of aiocoap's client to our server, which asks for Echo first."""
    process = await asyncio.create_subprocess_exec(program, "server", "3", stdout=asyncio.subprocess.PIPE)
    port = int(await process.stdout.readline())
    context = security_context(directory, "client", {"index": 0, "bitfield": 0})
    client = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"])
    client.client_credentials["coap://*"] = context
    for exchange in range(3):
        payload = bytes([exchange]) * 50
        request = aiocoap.Message(code=aiocoap.POST, uri=f"coap://127.0.0.1:{port}/a", payload=payload)
        response = await asyncio.wait_for(client.request(request).response, 30)
        check(f"aiocoap verified our response {exchange}", (response.code, response.payload), (aiocoap.CHANGED, payload))
    await client.shutdown()
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    check("our server ended well", process.returncode, 0)
    expected = [f"0.02 {bytes([n]).hex() * 50} echo {echo}" for n, echo in [(0, "false"), (0, "true"), (1, "false"), (2, "false")]]
    check("our server verified each request, the first again with Echo", output.decode().splitlines(), expected)


async def main():
    with tempfile.TemporaryDirectory() as directory:
        await our_client(sys.argv[1], directory)
        await our_server(sys.argv[1], directory)
        # aiocoap stores a context's state when it is collected: that must come before the directory goes.
        gc.collect()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main())
