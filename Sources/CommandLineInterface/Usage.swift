/// What the program tells about itself.
public enum Usage {
    /// For `--help`: a manual page in plain text, without a final line end.
    public static let text = """
        NAME
            isorun-engine - sandboxes that can be snapshotted, restored, rolled back and forked

        SYNOPSIS
            isorun-engine [--store PATH]
            isorun-engine doctor [--json] [--store PATH]
            isorun-engine image import PATH REF
            isorun-engine image pull REF
            isorun-engine image ls [--json]
            isorun-engine image rm REF...
            isorun-engine image commit SNAPSHOT REF
            isorun-engine image export REF PATH [--compression gzip|zstd|none]
            isorun-engine --help | --version

        DESCRIPTION
            Without a command, isorun-engine speaks JSON-RPC 2.0 on standard input and output, in the frames of the
            Language Server Protocol, until it is told to exit, its input ends, or it receives SIGTERM, SIGINT or
            SIGHUP. It is meant to be started by a program, not by hand. Running sandboxes end with it; snapshots and
            hibernated sandboxes stay in the store. Messages for people go to standard error.

            It needs no root and no daemon. Started by root, or by a user with subordinate ids (subuid(5)), its
            sandboxes have users of their own; else a single one.

        COMMANDS
            doctor
                Tries each feature of the kernel and the host that sandboxes need or profit from, and prints what was
                found, with the remedy for everything that is missing. Nothing is changed.

            image
                Works on the images of a store, also while engines use it; they see at once what has changed.

                import  Takes an OCI image layout (a folder or an archive), what `docker save` writes, or the archive
                        of a root filesystem, and calls it REF.
                pull    Copies the image REF from its registry, by skopeo(1).
                ls      Lists the images. The image `host` is always there and not listed.
                rm      Removes images that no sandbox and no snapshot needs.
                commit  Makes the files of a snapshot an image and calls it REF.
                export  Writes an OCI image layout: one archive when PATH ends in .tar, else a folder.

                How far it has come is shown on standard error, as a bar on a terminal and else in lines.

        OPTIONS
            --store PATH
                The folder for images, snapshots and the files of sandboxes; it is made when it is missing. Several
                engines may share one.

            --compression gzip|zstd|none
                With image export: of the layers. gzip, if left out, is what every tool reads; zstd is faster.

            --json
                With image ls: print one line of JSON: {"images":[{"ref":…,"digest":…,"layers":…,"sizeBytes":…}]}.
                With doctor: print one line of JSON instead of a table:
                {"ok":true,"features":[{"name":…,"required":…,"status":"ok|limited|failed","detail":…,"remedy":…}]}

            -h, --help
                Print this text.

            --version
                Print the version.

        ENVIRONMENT
            XDG_DATA_HOME
                Where an ordinary user's store lies, as $XDG_DATA_HOME/isorun.

            HOME
                Where it lies when XDG_DATA_HOME is not set: $HOME/.local/share/isorun.

            NO_COLOR
                When set to anything, doctor prints without colour, on terminals too.

            PATH
                Where newuidmap, newgidmap, pasta and skopeo are looked for.

        FILES
            /var/lib/isorun
                The store of root.

            /etc/subuid, /etc/subgid
                The subordinate ids of users.

        EXIT STATUS
            0   The client sent shutdown before exit; doctor: sandboxes can run here; image: it is done.
            1   The engine ended in any other way; doctor: sandboxes cannot run here; image: it failed.
            2   The command line is wrong.
            130, 143
                image: it was interrupted, by SIGINT or SIGTERM; nothing is left of it.

        EXAMPLES
            Whether this machine can hold sandboxes:

                isorun-engine doctor

            An image without any registry:

                mmdebstrap --variant=minbase --include=python3 bookworm python.tar
                isorun-engine image import python.tar python:debian

            A conversation by hand; each message follows its length in bytes and an empty line:

                send() { printf 'Content-Length: %d\\r\\n\\r\\n%s' "${#1}" "$1"; }
                { send '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
                  send '{"jsonrpc":"2.0","id":2,"method":"shutdown"}'
                  send '{"jsonrpc":"2.0","method":"exit"}'; } | isorun-engine

        SEE ALSO
            user_namespaces(7), newuidmap(1), subuid(5), pasta(1), skopeo(1),
            the protocol: docs/protocol.md and, from the engine itself, the request rpc.discover
        """

    /// For standard error when a person seems to have started the engine; without a line end.
    public static let terminalHint = """
        isorun-engine speaks JSON-RPC on standard input and output, for programs; see: isorun-engine --help
        """
}
