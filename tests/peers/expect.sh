# Checks of the scripts in this folder. Source this file.

step() { printf '\n== %s\n' "$*"; }

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Fails unless the verdict of a text report is clean.
clean() {
    sed -n '2,4p' "$1"
    grep --quiet '^verdict.*: clean$' "$1" || { cat "$1" && fail 'the verdict is not clean'; }
}

# Fails if a secret is in one of the files and directories.
silent_about() {
    local secret=$1 place
    for place in "${@:2}"; do
        if [ -e "$place" ] && grep --recursive --quiet --fixed-strings -e "$secret" "$place"; then
            fail "$place contains the secret"
        fi
    done
}
