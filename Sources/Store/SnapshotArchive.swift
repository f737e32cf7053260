import Kernel

/// A snapshot in one file: a tar archive, compressed and checksummed by zstd, whose names are those of the store itself.
///
///     snapshots/<id>/{manifest.json,runtime/}
///     layers/<id>/{content/,layer.json}     for every layer of the snapshot and of its image
enum SnapshotArchive {
    /// Long enough for any disk; a request that takes too long is cancelled by its client.
    private static let limits = Subprocess.RunLimits(time: .seconds(24 * 60 * 60), outputBytes: 64 * 1024)
    /// Everything that overlayfs and programs may have put there, and nothing is translated: owners are numbers.
    private static let fidelity = [
        "--zstd", "--format=pax", "--numeric-owner", "--sparse", "--acls", "--xattrs", "--xattrs-include=user.*",
        "--xattrs-include=security.capability",
    ]

    /// - Parameters:
    ///   - members: paths in `folder`.
    ///   - file: must not exist yet.
    static func write(
        _ members: [String], of folder: String, to file: String, isCancelled: () -> Bool
    ) throws(StoreError) {
        try run(
            ["--create", "--file", file, "--directory", folder] + fidelity + ["--"] + members, isCancelled
        ) { .kernel(KernelError("tar: \($0)", file, errno: .invalid)) }
    }

    /// - Parameter folder: an empty one.
    /// - Throws: `snapshotCorrupt` when the file is not a whole archive.
    static func read(_ file: String, into folder: String, isCancelled: () -> Bool) throws(StoreError) {
        try run(
            ["--extract", "--file", file, "--directory", folder, "--same-owner", "--preserve-permissions"] + fidelity,
            isCancelled
        ) { .snapshotCorrupt("", reason: "\(file) is no complete export of a snapshot: \($0)") }
    }

    private static func run(
        _ arguments: [String], _ isCancelled: () -> Bool, _ failure: (_ complaint: String) -> StoreError
    ) throws(StoreError) {
        guard let tar = HostProgram.path(of: "tar") else { throw .programMissing("tar", package: "tar") }
        guard let zstd = HostProgram.path(of: "zstd") else { throw .programMissing("zstd", package: "zstd") }
        // tar looks for zstd itself.
        let program = HostProgram(
            tar, arguments, environment: ["PATH": String(zstd.dropLast("/zstd".count)), "LC_ALL": "C"])
        let outcome = try onDisk { () throws(KernelError) in
            try Subprocess.run(program, limits: limits, isCancelled: isCancelled)
        }
        if outcome.ending == .cancelled { throw .cancelled }
        if outcome.isSuccess { return }
        if outcome.errorOutput.contains("No space left on device") {
            throw .noSpace(KernelError("tar", arguments[2], errno: .noSpace))
        }
        throw failure(outcome.complaint)
    }
}

extension [UInt8] {
    fileprivate func contains(_ text: String) -> Bool { String(decoding: self, as: UTF8.self).contains(text) }
}
