import CommandLineInterface
import Kernel
import Store

/// `isorun-engine image …`: what a person does with the images of a store, while engines may be using it.
public struct ImageCommand {
    private let launch: Launch
    private let storePath: String
    private let folder: () -> String
    private let interruption: Interruption

    /// - Parameters:
    ///   - store: absolute.
    ///   - folder: tells what relative paths start at.
    ///   - signals: blocked before there was any thread.
    public init(
        _ launch: Launch, store: String, folder: @escaping () -> String, signals: consuming SignalDescriptor
    ) {
        self.launch = launch
        storePath = store
        self.folder = folder
        interruption = Interruption(signals)
    }

    /// - Returns: the process's exit code.
    public func run(_ action: ImageAction) -> Int32 {
        do throws(StoreError) {
            let store = try Store.open(storePath)
            // What cannot be removed now is removed by the next engine that opens the store.
            defer { try? store.leave() }
            let lines = try carryOut(action, store)
            if StandardOutput.write(lines.map { $0 + "\n" }.joined()) { return 0 }
            tell("the result could not be written")
        } catch {
            if case .cancelled = error, let code = interruption.exitCode {
                tell("interrupted; nothing is left of it")
                return code
            }
            tell(Explanation(error, of: action).text)
        }
        return 1
    }

    private func tell(_ sentence: String) { StandardError.write(Array("isorun-engine: \(sentence)\n".utf8)) }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : folder() + "/" + path }

    // MARK: Actions

    /// - Returns: what there is to be told.
    private func carryOut(_ action: ImageAction, _ store: Store) throws(StoreError) -> [String] {
        switch action {
        case .importing(let path, let ref):
            return try bring(ref, into: store) { (monitor, _) throws(StoreError) in
                try store.importImage(from: absolute(path), as: ref, options: options, monitor: monitor)
            }
        case .pull(let ref):
            guard let skopeo = Skopeo(hostUser: launch.hostUser) else {
                throw .programMissing("skopeo", package: "skopeo")
            }
            return try bring(ref, into: store) { (monitor, display) throws(StoreError) in
                try store.pullImage(ref, with: skopeo, options: options, monitor: monitor) {
                    display.show("downloading", $0)
                }
            }
        case .list(let json): return try ImageTable(of: store).lines(json: json)
        case .remove(let refs):
            for ref in refs { try store.removeImage(named: ref) }
            _ = try store.collectGarbage()
            return []
        case .commit(let snapshot, let ref):
            guard let id = SnapshotID(rawValue: snapshot) else { throw .snapshotNotFound(snapshot) }
            let image = try store.commitImage(id, as: ref, isCancelled: { [interruption] in interruption.hasCome })
            try store.makeDurable()
            return [ImageTable.summary(ref, image)]
        case .export(let ref, let path, let compression):
            return [try export(ref, to: absolute(path), compression, store)]
        }
    }

    private var options: ImportOptions {
        var options = ImportOptions()
        options.idsPerSandbox = launch.ids.idsPerSandbox
        return options
    }

    private func bring(
        _ ref: String, into store: Store,
        _ body: (ImageMonitor, ProgressDisplay) throws(StoreError) -> ImportedImage
    ) throws(StoreError) -> [String] {
        let display = ProgressDisplay(of: ref)
        defer { display.end() }
        let imported = try body(monitor("unpacking", display), display)
        try store.makeDurable()
        // What bore the name before may be needed by nothing now.
        _ = try store.collectGarbage()
        display.end()
        if let losses = imported.losses.sentence { tell("\(ref): \(losses)") }
        return [ImageTable.summary(ref, imported.image)]
    }

    private func export(
        _ ref: String, to path: String, _ compression: String, _ store: Store
    ) throws(StoreError) -> String {
        guard let compression = LayerCompression(rawValue: compression) else {
            preconditionFailure("the command line was checked")
        }
        let display = ProgressDisplay(of: ref)
        defer { display.end() }
        let exported = try store.exportImage(
            ref, to: path, compression, owner: launch.hostOwner, monitor: monitor("packing", display))
        return "\(path)  \(exported.digest)  \(ByteCount(exported.sizeBytes))"
    }

    private func monitor(_ what: String, _ display: ProgressDisplay) -> ImageMonitor {
        ImageMonitor(isCancelled: { [interruption] in interruption.hasCome }) { display.show(what, $0) }
    }
}
