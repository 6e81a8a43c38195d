# What the scripts beside this one expect, to be sourced.

step() { printf '\n== %s\n' "$*"; }

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# A report on stdout whose verdict is clean.
clean() {
    sed -n '2,4p' "$1"
    grep --quiet '^verdict.*: clean$' "$1" || { cat "$1" && fail 'the verdict is not clean'; }
}

# Files and directories in which a secret must not stand.
silent_about() {
    local secret=$1 place
    for place in "${@:2}"; do
        if [ -e "$place" ] && grep --recursive --quiet --fixed-strings -e "$secret" "$place"; then
            fail "a secret stands in $place"
        fi
    done
}
