"""LitServe with the function of one scenario. Usage: server.py echo|tokens PORT"""

import json
import os
import signal
import sys
import time

import litserve as ls


class Echo(ls.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        return request


class Tokens(ls.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        words = request["text"].split()
        for index in range(request["count"]):
            if request["intervalMs"] > 0:
                time.sleep(request["intervalMs"] / 1000)
            yield {"index": index, "text": words[index % len(words)]}

    def encode_response(self, outputs):
        for output in outputs:
            yield f"data: {json.dumps(output, separators=(',', ':'))}\n\n"


if __name__ == "__main__":
    # LitServe ends its processes on Ctrl-C, and leaves them behind on SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scenario, port = sys.argv[1:]
    api = Tokens(api_path="/tokens", stream=True) if scenario == "tokens" else Echo(api_path="/echo")
    # What its documentation advises for CPUs.
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=os.cpu_count())
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False)
