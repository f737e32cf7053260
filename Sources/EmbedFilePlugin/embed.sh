#!/bin/sh
# Turns a file into a Swift constant. Called by EmbedFilePlugin only.
#   embed.sh program NAME SOURCE_FOLDER HEADER_FOLDER BINARY SWIFT_FILE   build a freestanding program, then embed it
#   embed.sh schema JSON_FILE SWIFT_FILE                                  embed the OpenRPC document
set -eu

# embed NAME FILE SWIFT_FILE
embed() {
    printf 'let %s: StaticString = "%s"\n' "$1" "$(base64 -w0 "$2")" >"$3"
}

case $1 in
program)
    # Freestanding: a libc would cost each idle sandbox ten times the memory that its init needs.
    cc -std=gnu11 -O2 -Wall -Wextra -Werror -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie \
        -fno-asynchronous-unwind-tables -fcf-protection=none -Wl,--build-id=none -Wl,-z,noseparate-code -s \
        -I"$4" -o "$5" "$3"/*.c
    embed "$2"Base64 "$5" "$6"
    ;;
schema)
    embed schemaBase64 "$2" "$3"
    ;;
esac
