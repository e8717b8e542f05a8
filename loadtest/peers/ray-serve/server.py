"""Ray Serve with the functions of the scenarios, on a Ray of its own. Usage: server.py PORT DIRECTORY"""

import asyncio
import json
import signal
import sys

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

# What Ray takes at the least; no call of ours puts anything there.
OBJECT_STORE_BYTES = 80 * 1024**2

# More at once than the default of 5, as is advised for async methods.
@serve.deployment(max_ongoing_requests=1000)
class Peer:
    async def __call__(self, request: Request):
        body = await request.json()
        if request.url.path == "/tokens":
            return StreamingResponse(events(body), media_type="text/event-stream")
        return JSONResponse(body)


async def events(request):
    words = request["text"].split()
    for index in range(request["count"]):
        if request["intervalMs"] > 0:
            await asyncio.sleep(request["intervalMs"] / 1000)
        token = {"index": index, "text": words[index % len(words)]}
        yield f"data: {json.dumps(token, separators=(',', ':'))}\n\n"


def stay_on_loopback():
    """A replica would listen for other nodes on all interfaces; nothing can be set against that."""
    from ray.serve._private import replica

    add_port = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: add_port(
        server, address.replace("[::]", "127.0.0.1")
    )


if __name__ == "__main__":
    port, directory = sys.argv[1:]
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE_BYTES,
        runtime_env={"worker_process_setup_hook": stay_on_loopback},
        _temp_dir=directory,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    serve.run(Peer.bind())
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pause()
    ray.shutdown()
