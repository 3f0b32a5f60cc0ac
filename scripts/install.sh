#!/bin/sh
# Makes sure that what the tests need is there. Idempotent. On Debian and Ubuntu it installs by apt what is
# missing; elsewhere it says what is missing. Exit 0: everything is there.
set -eu
cd "$(dirname "$0")/.."

packages="ca-certificates curl swaks libnet-ssleay-perl isync libxml2-utils openssl make git gcc libc6-dev strace sqlite3 netcat-openbsd groff-base postgresql procps
python3 php-cli php-curl php-xml default-jdk-headless libjakarta-mail-java libgoogle-gson-java"
go_minor=26

missing_packages() {
    for package in $packages; do
        state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
        [ "$state" = "install ok installed" ] || printf '%s ' "$package"
    done
}

# A policy-rc.d that says 101 keeps the packages from starting services, for as long as apt-get runs.
# shellcheck disable=SC2016 # expanded by the inner shell
install_as_root='
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    trap "exit 1" HUP INT TERM
    printf "#!/bin/sh\nexit 101\n" >"$policy"
    chmod 755 "$policy"
fi
apt-get -q update
apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install "$@"
'

apt_install() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive sh -euc "$install_as_root" install "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo env DEBIAN_FRONTEND=noninteractive sh -euc "$install_as_root" install "$@"
    else
        echo "install: neither root nor sudo; as root run: apt-get install $*" >&2
        return 1
    fi
}

debian_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    echo "install: installing $missing"
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
}

has_certificates() {
    for bundle in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem \
        /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
        [ ! -s "$bundle" ] || return 0
    done
    return 1
}

# Debian keeps the server's programs out of PATH.
has_postgresql() {
    for directory in "$(dirname "$(command -v initdb || echo .)")" "$(pg_config --bindir 2>/dev/null || true)" \
        /usr/lib/postgresql/*/bin; do
        [ ! -x "$directory/initdb" ] || [ ! -x "$directory/postgres" ] || return 0
    done
    return 1
}

missing_programs() {
    for program in curl swaks perl mbsync xmllint openssl make git cc strace sqlite3 nc groff ps pkill psql python3 php javac java; do
        command -v "$program" >/dev/null 2>&1 || echo "$program"
    done
    perl -MNet::SSLeay -e 1 2>/dev/null || echo "Net::SSLeay (Perl module)"
    php -r 'exit(extension_loaded("curl") && extension_loaded("dom") ? 0 : 1);' 2>/dev/null || echo "curl and dom for PHP"
    for jar in jakarta-mail jakarta-activation gson; do [ -r "/usr/share/java/$jar.jar" ] || echo "/usr/share/java/$jar.jar"; done
    echo '#include <stdlib.h>' | cc -x c -fsyntax-only - 2>/dev/null || echo "headers of the C library"
    has_postgresql || echo "PostgreSQL's server (initdb in PATH or in the directory that pg_config --bindir tells)"
    has_certificates || echo "root certificates (set SSL_CERT_FILE if they are elsewhere)"
}

other_system() {
    missing=$(missing_programs)
    [ -n "$missing" ] || return 0
    echo "install: this is neither Debian nor Ubuntu; install by hand:" >&2
    echo "$missing" | sed 's/^/  /' >&2
    return 1
}

check_go() {
    version=$(go env GOVERSION 2>/dev/null || true)
    minor=$(echo "$version" | sed -n 's/.*go1\.\([0-9][0-9]*\).*/\1/p')
    [ "${minor:-0}" -lt "$go_minor" ] || return 0
    echo "install: Go 1.$go_minor or later is needed, found: ${version:-none that this module accepts}" >&2
    echo "  take it from https://go.dev/dl/ and put its bin directory into PATH; a Go from 1.21 on" >&2
    echo "  fetches it by itself with: go env -w GOTOOLCHAIN=auto" >&2
    return 1
}

failed=0
if command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
    debian_packages || failed=1
else
    other_system || failed=1
fi
check_go || failed=1
[ "$failed" -ne 0 ] || echo "install: everything is there"
exit "$failed"
