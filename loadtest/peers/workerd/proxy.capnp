# A worker that is asked from outside and asks one external server; their addresses come from the
# command line.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "proxy", worker = .proxy),
    (name = "upstream", external = (http = ())),
  ],
  sockets = [(name = "http", http = (), service = "proxy")],
);

const proxy :Workerd.Worker = (
  modules = [(name = "proxy.js", esModule = embed "proxy.js")],
  compatibilityDate = "2026-11-01",
  bindings = [(name = "upstream", service = "upstream")],
);
