# The image as `npm run image` makes it, for those who build with Docker: the program, Node.js, its
# libraries, and no shell. BASE may be any image with a C library for Node.js.
ARG BASE=scratch

FROM node:24-slim AS builder
WORKDIR /build
COPY package.json package-lock.json ./
COPY client/package.json client/
COPY scripts/check-node.mjs scripts/
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run -s build && mkdir -p /root-fs/app /root-fs/usr/local/bin /root-fs/etc \
 && cp -r dist/signet.mjs dist/chunks /root-fs/app/ \
 && find /root-fs/app -name '*.map' -delete \
 && cp node_modules/node/bin/node /root-fs/usr/local/bin/node \
 && ldd /root-fs/usr/local/bin/node | grep -o '/[^ ]*' | xargs -I{} cp --parents -L {} /root-fs/ \
 && printf 'root:x:0:0::/:/none\nnonroot:x:65532:65532::/:/none\n' > /root-fs/etc/passwd

FROM ${BASE}
COPY --from=builder /root-fs/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node", "--disable-sigusr1", "--disable-proto=throw", "--no-addons", "/app/signet.mjs"]
