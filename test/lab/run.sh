#!/usr/bin/env bash
# Runs a command inside the lab:  test/lab/run.sh COMMAND [ARGUMENT…]
#
# The lab is a set of namespaces of its own. Mounts: a hosts file that puts the names of real registries on loopback,
# and a trust store that starts empty. Network: a loopback interface and nothing else, so that ports are free and no
# packet can leave. Processes: all end with the first one. The machine itself is never changed, whatever happens here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${LAB_STAGE:-}" != inside ]; then
  folder=$(mktemp -d "${TMPDIR:-/tmp}/entrepot-lab.XXXXXX")
  trap 'rm -rf "$folder"' EXIT
  export LAB_STAGE=inside LAB_FOLDER="$folder"
  # The shell stays outside, so that the folder goes away even if everything inside is killed.
  unshare --mount --net --pid --fork --kill-child=KILL --mount-proc --propagation private "$here/run.sh" "$@"
  exit
fi

cd "$here/../.."
ip link set lo up

mkdir -p "$LAB_FOLDER"/{home,run,trust}
node --import tsx test/lab/hosts.ts > "$LAB_FOLDER/hosts"
echo "127.0.0.1 localhost" > "$LAB_FOLDER/localhost-only"
: > "$LAB_FOLDER/trust/ca-certificates.crt"
mount --bind "$LAB_FOLDER/hosts" /etc/hosts
mount --bind "$LAB_FOLDER/trust" /etc/ssl/certs

# What the caller's shell says about proxies, trust and homes is none of the lab's business.
for name in $(compgen -e); do
  case $name in
    *_proxy | *_PROXY | SSL_CERT_* | *_CA_BUNDLE | *_CA_CERTS | *_CA_CERTS_FILE | XDG_* | DOCKER_* | CONTAINER* | REGISTRY_*) unset "$name" ;;
  esac
done
export HOME="$LAB_FOLDER/home" XDG_RUNTIME_DIR="$LAB_FOLDER/run" OTEL_TRACES_EXPORTER=none
# exec would make the command the first process, which then had to reap its orphans.
"$@"
