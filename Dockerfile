# entrepot as an image:  docker build -t entrepot .
#
# It runs as an ordinary user, writes to /data (cache) and /ca (CA key and certificate) alone, and so works with a
# read-only root. deploy/compose.yaml shows how to run it.

FROM node:24-bookworm-slim AS build
# sqlite3 is compiled where there is no ready binary of it for this platform.
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ make python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim
WORKDIR /app
RUN install -d -o node -g node -m 0700 /data /ca
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The image's defaults; a flag after `serve` wins over each. Disk work runs in that many threads.
ENV NODE_ENV=production \
  UV_THREADPOOL_SIZE=16 \
  ENTREPOT_LOG_FORMAT=json \
  ENTREPOT_LISTEN=[::]:3128 \
  ENTREPOT_ADMIN_LISTEN=[::]:3129 \
  ENTREPOT_DATA_DIR=/data \
  ENTREPOT_CA_DIR=/ca
# By number, so that an orchestrator sees that it isn't root.
USER 1000:1000
VOLUME ["/data", "/ca"]
EXPOSE 3128 3129
# Whatever the proxy's own port answers, also that this machine may not use it, shows that it is alive.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "const url = new URL('http://' + (process.env.ENTREPOT_LISTEN || '127.0.0.1:3128') + '/ca.crt'); if (/^(0\\.0\\.0\\.0|\\[::\\])$/.test(url.hostname)) url.hostname = 'localhost'; require('node:http').get(url, () => process.exit(0)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve"]
