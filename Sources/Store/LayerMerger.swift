import Kernel

/// Merges consecutive layers into one that shows the same in their place: files by hard links, so no data is copied;
/// deletions and opaque directories as far as what lies beneath can tell the difference.
struct LayerMerger {
    /// What the layers beneath the merged ones have at a directory's path.
    enum Beneath {
        /// It could not be read: every deletion is kept.
        case unknown
        case nothing
        case directory(MergedDirectory)
    }

    /// A directory of the merged layer that is being filled.
    private struct Frame {
        let merged: MergedDirectory
        let beneath: Beneath
        let target: SharedDirectory
        let metadata: FileMetadata
        /// Subdirectories still to be made, with the part that they begin in.
        var pending: [(name: FilePath, part: Int)] = []
    }

    private let stack: LayerStack?
    private let isCancelled: @Sendable () -> Bool
    private var frames: [Frame] = []
    private var path: [FilePath] = []

    /// - Parameters:
    ///   - roots: the layers' contents, topmost first.
    ///   - beneath: what they lie on; nil when that is not known. Overlayfs shows a whiteout's name in a directory that
    ///     has no other part (as `ls: cannot access`), so whiteouts that hide nothing must not stay.
    ///   - target: the empty folder that becomes the merged layer's content.
    static func merge(
        _ roots: [SharedDirectory], beneath: LayerStack?, into target: SharedDirectory,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws(StoreError) {
        var merger = LayerMerger(stack: beneath, isCancelled: isCancelled)
        let root = try onDisk { () throws(KernelError) in try MergedDirectory(roots: roots) }
        let rootBeneath = try onDisk { () throws(KernelError) in try beneath?.root() }
        try merger.open(root, rootBeneath.map(Beneath.directory) ?? .unknown, target, isMarkedOpaque: false)
        while try merger.advance() {}
    }

    private init(stack: LayerStack?, isCancelled: @escaping @Sendable () -> Bool) {
        self.stack = stack
        self.isCancelled = isCancelled
    }

    /// Makes one more subdirectory, or finishes one. Returns false when all is done.
    private mutating func advance() throws(StoreError) -> Bool {
        if isCancelled() { throw .cancelled }
        guard let frame = frames.last else { return false }
        if let (name, part) = frames[frames.count - 1].pending.popLast() {
            path.append(name)
            if path.count > TreeLimits.maxDepth { throw .treeTooDeep(path: joinedPath.description) }
            let merged = try onDisk { () throws(KernelError) in try frame.merged.child(name, from: part) }
            let target = SharedDirectory(
                try onDisk { () throws(KernelError) in
                    try frame.target.descriptor.makeDirectory(name, permissions: 0o700)
                    return try frame.target.descriptor.openDirectory(name)
                })
            let beneath = merged.hidesLower ? .nothing : try child(name, of: frame.beneath)
            // Below an opaque directory all are hidden anyway.
            try open(merged, beneath, target, isMarkedOpaque: merged.hidesLower && !frame.merged.hidesLower)
        } else {
            try onDisk { () throws(KernelError) in try frame.metadata.apply(to: frame.target.descriptor) }
            frames.removeLast()
            _ = path.popLast()
        }
        return true
    }

    private var joinedPath: FilePath { path.reduce("") { $0.appending($1) } }

    /// What lies beneath the subdirectory that the merger is about to enter.
    private func child(_ name: FilePath, of parent: Beneath) throws(StoreError) -> Beneath {
        guard case .directory(let folder) = parent, let stack else { return parent }
        return try readingBeneath { () throws(KernelError) in
            guard case .present(let part, .directory)? = try folder.entry(name) else { return .nothing }
            return .directory(try stack.child(name, of: folder, from: part, path: joinedPath))
        } ?? .unknown
    }

    /// Whether a deletion hides something.
    private func isNeeded(whiteout name: FilePath, on beneath: Beneath) throws(StoreError) -> Bool {
        switch beneath {
        case .unknown: return true
        case .nothing: return false
        case .directory(let folder):
            return try readingBeneath { () throws(KernelError) in
                if case .present? = try folder.entry(name) { return true }
                return false
            } ?? true
        }
    }

    /// - Returns: nil where an ordinary user may not look, as into some of the host's folders.
    private func readingBeneath<Result>(_ body: () throws(KernelError) -> Result) throws(StoreError) -> Result? {
        do throws(KernelError) {
            return try body()
        } catch {
            if error.errno == .accessDenied { return nil }
            throw StoreError(error)
        }
    }

    /// Fills a directory with all but its subdirectories.
    private mutating func open(
        _ merged: MergedDirectory, _ beneath: Beneath, _ target: SharedDirectory, isMarkedOpaque: Bool
    ) throws(StoreError) {
        let metadata = try onDisk { () throws(KernelError) in
            try FileMetadata(ofLayered: merged.folder(ofPart: 0).descriptor, isOpaque: isMarkedOpaque)
        }
        var frame = Frame(merged: merged, beneath: beneath, target: target, metadata: metadata)
        for (name, entry) in try onDisk({ () throws(KernelError) in try merged.entries() }) {
            switch entry {
            case .present(let part, .directory): frame.pending.append((name, part))
            case .present(let part, _): try link(name, from: merged.folder(ofPart: part), to: target)
            case .whiteout:
                guard try isNeeded(whiteout: name, on: beneath) else { continue }
                try onDisk { () throws(KernelError) in
                    try target.descriptor.makeNode(name, kind: .characterDevice, permissions: 0, device: 0)
                }
            }
        }
        frames.append(frame)
    }

    private func link(
        _ name: FilePath, from source: SharedDirectory, to target: SharedDirectory
    ) throws(StoreError) {
        do throws(KernelError) {
            try source.descriptor.link(name, to: name, in: target.descriptor)
        } catch {
            // The file has as many names as its filesystem allows: this layer gets a copy of its own.
            guard error.errno == .tooManyHardLinks else { throw StoreError(error) }
            _ = try TreeCopier.copy(name, in: source.descriptor, to: name, in: target.descriptor, TreeCopyOptions())
        }
    }
}
