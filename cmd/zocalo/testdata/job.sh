# job NAME TOOL RESULT THEIRS OURS runs two ways of doing the same, each in
# namespaces and a folder of its own, and sees that both print RESULT: theirs where
# TOOL is installed. There is an echo server on ports 80 and udp 53 of $h.
h=127.0.0.1
failed=0
export h

job() {
	try "$1" "$3" "$5" zocalo
	if command -v "$2" >/dev/null; then try "$1" "$3" "$4" "$2"; else echo "$1: $2 is not installed"; fi
}

try() {
	dir=$(mktemp -d ./job.XXXXXX)
	got=$(cd "$dir" && timeout -s KILL 60 unshare -npf --kill-child --mount-proc sh -c "$within
$3" 2>said)
	if [ "$got" = "$2" ]; then
		echo "$1: $4"
	else
		failed=1
		echo "$1: $4 printed <$got>, not <$2>, for: $3"
		cat "$dir"/said
	fi
}

# What each has: up waits until KIND PORT is bound, until_file until a file has
# what grep finds, connected until a connection to a port is there. What was begun ends with its process namespace.
within='
ip link set lo up
up() { until [ -n "$(zocalo list -q --all --no-header --columns local "$1" port="$2")" ]; do sleep 0.02; done; }
connected() { until [ -n "$(zocalo list -q --no-header --columns local tcp state=established lport="$1")" ]; do sleep 0.02; done; }
until_file() { until grep -q "$2" "$1" 2>/dev/null; do sleep 0.02; done; }
hola() { echo hola | zocalo talk -q "$@"; }
echo hola >f
zocalo echo tcp:any:80 udp:any:53 >echo 2>&1 &
until_file echo udp:
'
