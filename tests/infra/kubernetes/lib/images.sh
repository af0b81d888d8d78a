# Images: built by buildah without a registry, kept as archives beside the programs, imported into each node's containerd.

archive() { echo "$programs/images/$1.tar"; }

# A store of its own, so that neither a person's images nor a second run meet it.
buildah_here() {
    BUILDAH_ISOLATION=chroot buildah --root "$programs/buildah/root" --runroot "$programs/buildah/run" \
        --storage-driver overlay "$@"
}

publish() { # image in the store, archive's name
    mkdir -p "$programs/images"
    buildah_here push --quiet "$1" "oci-archive:$programs/images/$2.new:$1"
    mv "$programs/images/$2.new" "$(archive "$2")"
}

# Images of one program each, which only tests use.
build_image() { # name, lines of a Dockerfile, context
    [ -f "$(archive "$1")" ] && return
    buildah_here bud --quiet --timestamp 0 --tag "localhost/$1:1" --file - "$3" <<<"$2" >/dev/null
    publish "localhost/$1:1" "$1"
}

build_test_images() {
    local applet
    build_image pause $'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]' "$bin"
    if [ ! -f "$(archive busybox)" ]; then
        rm -rf "$programs/busybox"
        mkdir -p "$programs/busybox/bin" "$programs/busybox/tmp"
        chmod 1777 "$programs/busybox/tmp"
        cp "$(command -v busybox)" "$programs/busybox/bin/busybox"
        for applet in $(busybox --list); do
            [ "$applet" = busybox ] || ln -s busybox "$programs/busybox/bin/$applet"
        done
        build_image busybox $'FROM scratch\nCOPY . /\nENV PATH=/bin\nCMD ["/bin/sh"]' "$programs/busybox"
    fi
}

import_image() { # node, archive's name
    node_ctr "$1" images import "$(archive "$2")" >>"$run/log/import.log" 2>&1
}
