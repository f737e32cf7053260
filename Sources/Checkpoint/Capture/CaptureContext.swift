import Glibc
import Kernel

/// What whoever asks for a capture knows and the kernel does not tell.
public struct CaptureRequest: Sendable {
    /// The sandbox's first process, in the engine's numbering; it is not captured.
    public let initPid: Int32
    /// Of the sandbox.
    public let waits: KnownWaits
    /// Processes that carry one of these values as RLIMIT_LOCKS stand still during the capture but are no part of it.
    public var excludedMarks: Set<UInt64>
    /// Names of the engine's ends of pipes, by the pipes' inode numbers.
    public var enginePipes: [UInt64: String]
    /// The engine's masters of pseudo-terminals, by their numbers in the sandbox. Nobody else may use them during the capture.
    public var engineTerminals: [Int32: EngineTerminal]
    /// Whether a file, by its path inside, lies in the sandbox's own layer: such a one may be changed in place later.
    public var isOwnFile: @Sendable (String) throws(KernelError) -> Bool
    /// Called while everything stands still: what the state shall keep for whoever restores it.
    public var companion: @Sendable () -> [UInt8]

    public init(
        initPid: Int32, waits: KnownWaits, excludedMarks: Set<UInt64> = [], enginePipes: [UInt64: String] = [:],
        engineTerminals: [Int32: EngineTerminal] = [:],
        isOwnFile: @escaping @Sendable (String) throws(KernelError) -> Bool,
        companion: @escaping @Sendable () -> [UInt8]
    ) {
        self.initPid = initPid
        self.waits = waits
        self.excludedMarks = excludedMarks
        self.enginePipes = enginePipes
        self.engineTerminals = engineTerminals
        self.isOwnFile = isOwnFile
        self.companion = companion
    }
}

/// A master of a pseudo-terminal that the engine holds.
public final class EngineTerminal: Sendable {
    let name: String
    let master: OwnedFD

    public init(name: String, master: consuming OwnedFD) {
        self.name = name
        self.master = master
    }
}

/// Collects what processes share while they are captured one by one. Belongs to the tracing thread.
final class CaptureContext {
    let request: CaptureRequest
    /// The sandbox's root folder.
    let root: OwnedFD
    var tree = TreeImage()

    // Where things that were seen before stand in the tree.
    var pipes: [FileIdentity: Int] = [:]
    var deletedFiles: [FileIdentity: Int] = [:]
    var terminals: [Int32: Int] = [:]
    var sharedMemory: [FileIdentity: Int] = [:]
    /// Of which only the size is known: their content is read from areas that show it. With what was read already.
    var unreadSharedMemory: [Int: PageSet] = [:]
    private var deletedFileNames: [DeletedFileName: Int] = [:]
    /// Sockets, by their descriptions' places.
    var sockets: [Int: CapturedSocket] = [:]
    /// From the engine's numbers of the sandbox's processes to those inside.
    var insidePids: [Int32: Int32] = [:]
    /// Copies of descriptors that are under way in sockets.
    private var underWay: [SharedDescriptor] = []
    private var ownFiles: [String: Bool] = [:]
    /// By which each description was found, in the tree's order.
    private(set) var views: [DescriptorView] = []
    private var descriptions: [DescriptionKey: [(view: DescriptorView, index: Int)]] = [:]

    private struct DescriptionKey: Hashable {
        let identity: FileIdentity
        let target: String
        let flags: Int32
    }

    init(_ request: CaptureRequest) throws(KernelError) {
        self.request = request
        root = try OwnedFD.open(FilePath(verbatim: "/proc/\(request.initPid)/root"), [.directory, .pathOnly])
    }

    /// The open file description behind a descriptor, captured once however many descriptors share it.
    func description(behind view: DescriptorView) throws(ResourceError) -> Int {
        let key = DescriptionKey(identity: view.status.identity, target: view.target, flags: view.info.flags)
        for known in descriptions[key] ?? [] {
            do throws(KernelError) {
                if try known.view.isSame(as: view) { return known.index }
            } catch {
                throw .kernel(error)
            }
        }
        let lock = try FileLocks.capture(view.info).ofDescription
        let kind = try DescriptorKinds.capture(view, self)
        let index = tree.descriptions.count
        let owner = try kernel { () throws(KernelError) in try SignalOwners.capture(view) }
        tree.descriptions.append(
            DescriptionImage(flags: view.info.flags, kind: kind, lock: lock, signalOwner: owner))
        descriptions[key, default: []].append((view, index))
        views.append(view)
        if case .socket = kind { sockets[index] = try kernel { () throws(KernelError) in try CapturedSocket(view) } }
        return index
    }

    /// The open file description behind a copy of a descriptor that is under way in a socket. Where nothing else leads to it, the copy
    /// is kept, for others to be compared with it.
    func description(underWay descriptor: consuming OwnedFD) throws(ResourceError) -> Int {
        let copy = SharedDescriptor(descriptor)
        let view = try kernel { () throws(KernelError) in
            try DescriptorView(process: getpid(), number: copy.descriptor.rawValue)
        }
        if view.target == "anon_inode:[eventpoll]" { throw .unsupported("an epoll set is under way in it") }
        let known = tree.descriptions.count
        let index = try description(behind: view)
        if index < known { return index }
        if underWay.count == Self.underWayLimit {
            throw .unsupported("more than \(Self.underWayLimit) files are under way that nobody has open")
        }
        underWay.append(copy)
        return index
    }

    /// Each takes one of the engine's own descriptors, which all sandboxes share.
    private static let underWayLimit = 1024

    /// What its process closes must not live on in the engine's hands: nobody is asked any more.
    func forgetCopies() {
        sockets = [:]
        underWay = []
    }

    /// The descriptions that lead to further ones, and those: what is under way in a socket belongs to whoever can receive it.
    func reach(of descriptions: some Sequence<Int>) -> Set<Int> {
        var reached: Set<Int> = []
        var rest = Array(descriptions)
        while let index = rest.popLast() {
            if !reached.insert(index).inserted { continue }
            rest += socketImage(index)?.received.flatMap(\.descriptors) ?? []
        }
        return reached
    }

    /// The memory of a memfd that a descriptor leads to, with its content.
    func sharedMemory(behind view: DescriptorView) throws(KernelError) -> Int {
        if let known = sharedMemory[view.status.identity] { return known }
        // Opened anew: a duplicate would share the position, which a search for holes moves.
        let file = try OwnedFD.open(FilePath(verbatim: "/proc/\(view.process)/fd/\(view.number)"), .read)
        let seals = try file.seals() ?? 0
        let name = view.path.hasPrefix("/memfd:") ? String(view.path.dropFirst(7)) : "shared"
        let index = tree.sharedMemory.count
        tree.sharedMemory.append(
            SharedMemoryImage(
                kind: .memoryFile(name: name, seals: seals), size: UInt64(view.status.size),
                pieces: try FilePieces.read(file, size: view.status.size)))
        sharedMemory[view.status.identity] = index
        return index
    }

    /// Notes where a deleted file is that a descriptor leads to: mappings of it show that one, whichever is found first.
    func connectMappings(of name: DeletedFileName, to index: Int) {
        deletedFileNames[name] = index
        for (place, memory) in tree.sharedMemory.enumerated() {
            guard case .deletedMapping(name) = memory.kind else { continue }
            tree.sharedMemory[place].kind = .deletedFile(index)
            unreadSharedMemory[place] = nil
        }
    }

    func deletedFile(named name: DeletedFileName) -> Int? { deletedFileNames[name] }

    func insidePid(of pid: Int32) -> Int32? { insidePids[pid] }

    /// Whether a mapped file may be changed in place by whoever has the sandbox after the capture.
    func isOwnFile(_ path: String) throws(KernelError) -> Bool {
        if let known = ownFiles[path] { return known }
        let isOwn = if SharedFolder.holds(path) { true } else { try request.isOwnFile(path) }
        ownFiles[path] = isOwn
        return isOwn
    }
}
