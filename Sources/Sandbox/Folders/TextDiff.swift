import Kernel
import Store

/// The text of a change, or why it has none.
public enum ChangeText: Sendable {
    /// As `diff -u` writes it.
    case unified(String)
    /// One side is no UTF-8 text.
    case binary
    /// One side, or the text of all changes together, is larger than its limit.
    case tooLarge
}

/// Writes changes as unified diffs, by the program diff of the host (package diffutils).
public struct TextDiffs: ~Copyable {
    /// Bytes of a file beyond which a diff is for nobody to read.
    private static let maxFileSize: Int64 = 1 << 20
    /// Bytes of all diffs together: they must fit one message.
    private static let maxTotal = 16 << 20
    private static let limits = Subprocess.RunLimits(time: .seconds(30), outputBytes: 4 << 20)

    private let program: String
    private let folder: OwnedFD
    private let name: FilePath
    private let parent: OwnedFD
    private let path: String
    private var total = 0

    /// - Parameter workshop: a folder that only this engine uses.
    init(workshop: String) throws(SandboxError) {
        guard let program = HostProgram.path(of: "diff") else {
            throw .hostUnsupported(
                feature: "text diffs", reason: "there is no program `diff`",
                fix: "Install the package diffutils, or leave `text` out.")
        }
        let name = FilePath(verbatim: "diff-" + RandomName.hex(bytes: 8))
        let parent = try onKernel { () throws(KernelError) in
            try OwnedFD.open(FilePath(verbatim: workshop), .directory)
        }
        let folder = try onKernel { () throws(KernelError) in
            try parent.makeDirectory(name, permissions: 0o700)
            return try parent.openDirectory(name)
        }
        self.program = program
        self.name = name
        path = "\(workshop)/\(name)"
        self.parent = parent
        self.folder = folder
    }

    deinit {
        // What stays costs a page of memory until the engine ends.
        _ = try? TreeRemover.remove(name, in: parent)
    }

    /// - Returns: nil for what is no regular file before and after.
    public mutating func text(
        of entry: ChangedEntry, isCancelled: () -> Bool = { false }
    ) throws(SandboxError) -> ChangeText? {
        let path = entry.change.path
        let old = try onStore { () throws(StoreError) in try entry.before.entry(at: path) }
        let new = try onStore { () throws(StoreError) in try entry.after.entry(at: path) }
        if [old, new].contains(where: { $0.map { $0.status.kind != .regular } ?? false }) { return nil }
        if max(old?.status.size ?? 0, new?.status.size ?? 0) > Self.maxFileSize { return .tooLarge }
        var sides: [String] = []
        for (side, name) in [(old, "old" as FilePath), (new, "new")] {
            let content = try onKernel { () throws(KernelError) in
                try side?.open().read(
                    at: 0, upTo: Int(Self.maxFileSize) + 1, expecting: Int(side?.status.size ?? 0)) ?? []
            }
            // It may have grown since.
            if content.count > Self.maxFileSize { return .tooLarge }
            if content.contains(0) || String(validating: content, as: UTF8.self) == nil { return .binary }
            try onKernel { () throws(KernelError) in
                let file = try folder.open(name, [.write, .create, .truncate], permissions: 0o600)
                try file.writeAll(content)
            }
            sides.append("\(self.path)/\(name)")
        }
        let labels = [old == nil ? "/dev/null" : "a/\(path)", new == nil ? "/dev/null" : "b/\(path)"]
        let program = HostProgram(
            self.program, ["-u", "--label", labels[0], "--label", labels[1], "--"] + sides,
            environment: ["LC_ALL": "C"])
        let outcome = try onKernel { () throws(KernelError) in
            try Subprocess.run(program, limits: Self.limits, isCancelled: isCancelled)
        }
        switch outcome.ending {
        case .ended(.exited(code: 0)), .ended(.exited(code: 1)): break
        case .cancelled: throw .store(.cancelled)
        case .timedOut: return .tooLarge
        default:
            throw .hostUnsupported(
                feature: "text diffs", reason: "`diff` failed: \(outcome.complaint)", fix: "Leave `text` out.")
        }
        total += outcome.output.count
        if total > Self.maxTotal || outcome.output.count >= Self.limits.outputBytes { return .tooLarge }
        return .unified(String(decoding: outcome.output, as: UTF8.self))
    }
}

extension SandboxManager {
    /// For one request's diffs.
    public func textDiffs() throws(SandboxError) -> TextDiffs { try TextDiffs(workshop: bases.workshop) }
}
