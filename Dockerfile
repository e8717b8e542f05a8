# Two images, a gateway and a runner. OPERATIONS.md says how to run them.
#
#   docker build -t callgate-gateway .
#   docker build -t callgate-runner --target runner .
#
# Debian trixie has glibc 2.41; the gateway's engine, uWebSockets.js, needs 2.38. It has no binary for the
# musl of Alpine.

FROM node:24-trixie-slim AS base

# No dependency needs its install script: their binaries come as packages.
FROM base AS build
WORKDIR /callgate
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build

FROM base AS dependencies
WORKDIR /callgate
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund --omit=dev
# The engine comes with a binary for each system and Node version; all but one are 100 MB of dead weight.
# typescript is there as an optional peer, of nobody who uses it when it runs.
RUN find node_modules/uWebSockets.js -name 'uws_*.node' \
      ! -name "$(node -p '`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`')" -delete \
 && rm -rf node_modules/typescript

FROM base AS runner
# Process 1. A runner that dies leaves children behind, and Node does not reap children that are not its own.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /callgate
COPY --from=dependencies /callgate/node_modules node_modules
COPY --from=build /callgate/dist dist
COPY package.json LICENSE ./
RUN chmod +x dist/cli/main.js && ln -s /callgate/dist/cli/main.js /usr/local/bin/callgate
ENV NODE_ENV=production
# The image's user `node`, as a number: with a name Kubernetes cannot tell that it is not root.
USER 1000:1000
WORKDIR /functions
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "callgate"]
CMD ["--help"]

FROM runner AS gateway
EXPOSE 8080 8081
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "require('http').get({host:'127.0.0.1',port:process.env.CALLGATE_ADMIN_PORT||8081,path:'/healthz'},(r)=>process.exit(r.statusCode===200?0:1)).on('error',()=>process.exit(1))"]
CMD ["gateway"]
