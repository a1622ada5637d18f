#!/usr/bin/env bash
# The gateway beside nginx, both in front of the same mock upstream, in one run.
# The gateway works as in earnest: strict audit, a hard budget, the policy that
# ships. What is given here goes to `lattice-loadtest compare`, for instance
#   loadtest/compare.sh --rounds 5 --seconds 10
#   loadtest/compare.sh --stream
set -euo pipefail
cd "$(dirname "$0")/.."

nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || {
    echo "skipped: nginx is not installed (Debian: apt-get install nginx)"
    exit 0
}

[ -n "${SKIP_BUILD:-}" ] || cargo build --release -p lattice -p lattice-loadtest
bin=$(realpath "${CARGO_TARGET_DIR:-target}")/release

dir=$(realpath "$(mktemp -d)")
chmod 711 "$dir" # started by root, nginx's worker is another user
data=$dir/lattice

# Where the managed PostgreSQL keeps its cluster (store/src/managed/folders.rs).
if [ "$(id -u)" = 0 ]; then
    cluster=/var/lib/lattice/$(printf %s "$data" | sha256sum | cut -c1-16)
else
    cluster=$data/postgres
fi

started=()
stop() {
    kill -TERM "$1" 2>/dev/null || return 0
    for _ in $(seq 200); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    echo "compare.sh: $1 did not end in 20 s and is killed" >&2
    kill -KILL "$1" 2>/dev/null || true
}
finish() {
    local code=$?
    trap - EXIT
    [ $code = 0 ] || tail -n 20 "$dir"/*.log >&2 || true
    # The gateway first: it has calls to the others in hand.
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do stop "${started[i]}"; done
    wait
    if [ -e "$cluster/data/postmaster.pid" ]; then
        echo "compare.sh: left behind, its PostgreSQL still runs: $cluster $dir" >&2
    else
        rm -rf "$dir" "$cluster"
    fi
    exit $code
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Below the range that the system gives to clients, so that none of them takes it.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

"$bin/lattice-loadtest" mock --port-file "$dir/mock.port" >"$dir/mock.log" 2>&1 &
started+=($!)
for _ in $(seq 100); do
    [ -s "$dir/mock.port" ] && break
    sleep 0.05
done
mock=127.0.0.1:$(cat "$dir/mock.port")

proxy=127.0.0.1:$(free_port)
mkdir "$dir/nginx"
sed -e "s|@DIR@|$dir/nginx|g" -e "s|@LISTEN@|$proxy|" -e "s|@UPSTREAM@|$mock|" \
    loadtest/nginx.conf.template >"$dir/nginx/nginx.conf"
"$nginx" -p "$dir/nginx" -e "$dir/nginx/error.log" -c "$dir/nginx/nginx.conf" >"$dir/nginx.log" 2>&1 &
nginx_pid=$!
started+=("$nginx_pid")

gateway=127.0.0.1:$(free_port)
admin=127.0.0.1:$(free_port)
cat >"$dir/lattice.yaml" <<YAML
server:
  listen: $gateway
  admin_listen: $admin
data_dir: $data
providers:
  mock: { kind: openai_compatible, base_url: "http://$mock/v1" }
models:
  - name: mock
    targets:
      - { provider: mock, model: mock, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
budgets:
  - { scope: { team: bench }, window: month, limit_usd: 1000000, mode: hard }
audit: { mode: strict, on_full: refuse }
YAML
"$bin/lattice" server --config "$dir/lattice.yaml" >"$dir/lattice.log" 2>&1 &
gateway_pid=$!
started+=("$gateway_pid")
"$bin/lattice-loadtest" wait --url "http://$admin/readyz" --seconds 90

"$bin/lattice" team create bench --config "$dir/lattice.yaml" >"$dir/team.log"
key=$("$bin/lattice" key create --name bench --team bench --json --config "$dir/lattice.yaml" |
    tr -d '\n' | sed -n 's/.*"key" *: *"\([^"]*\)".*/\1/p')
[ -n "$key" ] || { echo "compare.sh: lattice key create gave no key" >&2; exit 2; }

postgres=()
if [ -s "$cluster/data/postmaster.pid" ]; then
    postgres=(--postgres-pid "$(head -n 1 "$cluster/data/postmaster.pid")")
fi

path=/v1/chat/completions
"$bin/lattice-loadtest" compare \
    --gateway "http://$gateway$path" --gateway-pid "$gateway_pid" --key "$key" \
    --nginx "http://$proxy$path" --nginx-pid "$nginx_pid" \
    --direct "http://$mock$path" "${postgres[@]}" "$@"
