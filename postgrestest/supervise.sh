# Keeps a PostgreSQL server for a test process: sh -c "$(cat supervise.sh)" supervise BINDIR DIRECTORY
# Orders come on standard input, one a line; each is answered with "done" or "failed". When there are no more, because
# the test process closed the pipe or has died, the server is ended and its directory removed.
bin=$1 dir=$2 server=
exec 2>>"$dir/log"
trap '' PIPE # an answer that nobody reads must not keep us from the end

create() {
    "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-locale --data-checksums --no-sync </dev/null >/dev/null
}

start() {
    [ -z "$server" ] || return 1
    "$bin/postgres" -D "$dir/data" -p "$1" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c max_connections=200 -c fsync=on -c log_lock_waits=on -c logging_collector=off \
        -c log_line_prefix='%m [%p] %a ' </dev/null >&2 &
    server=$!
    tries=0
    until "$bin/pg_isready" -q -h 127.0.0.1 -p "$1" -d postgres -U postgres </dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 3000 ] || ! kill -0 "$server"; then
            stop
            return 1
        fi
        sleep 0.02
    done
}

stop() {
    [ -n "$server" ] || return 1
    kill -QUIT "$server"
    thaw # a frozen server would not hear it
    wait "$server"
    server=
}

# The postmaster goes first: then it has no more children than we see.
freeze() {
    [ -n "$server" ] && kill -STOP "$server" && pkill -STOP -P "$server"
}

thaw() {
    [ -n "$server" ] && kill -CONT "$server" && pkill -CONT -P "$server"
}

while read -r order port; do
    if "$order" $port >&2; then echo done; else echo failed; fi
done
stop
rm -rf "$dir"
