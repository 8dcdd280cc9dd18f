# Sourced by memcheck.sh and wasm.sh. The compiler's own standard library for another architecture comes from rustup, which may
# not reach its server; Debian 12 packages a compiler with one, and with the library's source.

# toolchain FOLDER PACKAGE…: unpacks that compiler and further packages into FOLDER/root, with package lists of its own: nothing
# is installed. FOLDER/rustc runs it.
toolchain() {
    local folder=$1 mm llvm package
    shift
    [ -x "$folder/rustc" ] && return
    rm -rf "$folder"
    mkdir -p "$folder"/{debs,lists/partial,cache/archives/partial}
    cat >"$folder/apt.conf" <<CONF
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Dir::State::lists "$folder/lists";
Dir::Cache "$folder/cache";
CONF
    (
        export APT_CONFIG=$folder/apt.conf
        apt-get update -qq
        mm=$(apt-cache policy rustc-web | sed -n 's/.*Candidate: \([0-9]*\.[0-9]*\).*/\1/p')
        llvm=$(apt-cache depends "libstd-rust-web-$mm" | awk '/Depends: libllvm/{print $2; exit}')
        cd "$folder/debs"
        apt-get download -qq rustc-web "libstd-rust-web-$mm" libstd-rust-web-dev "$llvm" "$@"
        for package in *.deb; do dpkg -x "$package" "$folder/root"; done
    )
    rm -rf "$folder/debs" "$folder/lists" "$folder/cache"
    cat >"$folder/rustc.new" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu exec $folder/root/usr/bin/rustc "\$@"
WRAPPER
    chmod +x "$folder/rustc.new"
    mv "$folder/rustc.new" "$folder/rustc" # last: a folder without it is begun anew
}
