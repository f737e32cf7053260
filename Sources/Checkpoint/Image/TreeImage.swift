/// A sandbox's processes, parents before their children, and everything that they share.
struct TreeImage: Codable, Sendable {
    var processes: [ProcessImage] = []
    var descriptions: [DescriptionImage] = []
    var sharedMemory: [SharedMemoryImage] = []
    var pipes: [PipeImage] = []
    var terminals: [TerminalPairImage] = []
    var deletedFiles: [DeletedFileImage] = []
    /// What lies below /dev/shm, which is no part of the sandbox's files.
    var sharedFolder: [SharedFolderEntry] = []
    var systemV = SystemVImage()
    /// What whoever asked for the capture keeps with it.
    var companion = Blob()
    var host = HostFacts()

    /// What an image needs of the machine that restores it.
    struct HostFacts: Codable, Sendable, Equatable {
        /// The kernel's release: its vdso lies in the captured memory.
        var kernel = ""
        /// The features that the processor offers, as /proc/cpuinfo names them.
        var processor = ""
    }
}

extension TreeImage {
    /// From which captured process another one is forked when the tree is restored: its parent; for an orphan that leads no session, the
    /// first that is in its session; else none: it comes from a template of its own.
    func origin(of index: Int) -> Int? {
        let process = processes[index]
        if let parent = processes.firstIndex(where: { $0.pid == process.parent && $0.zombieStatus == nil }) {
            return parent
        }
        if process.session == process.pid { return nil }
        return processes[..<index].firstIndex { $0.session == process.session && $0.zombieStatus == nil }
    }
}

/// An open file description: what open(2) makes and several descriptors may share.
struct DescriptionImage: Codable, Sendable {
    /// Status flags as fcntl(F_GETFL) gives them.
    var flags: Int32
    var kind: Kind
    var lock: FileLockImage?
    var signalOwner: SignalOwnerImage?

    enum Kind: Codable, Sendable {
        case file(FileImage)
        case pipe(PipeEndImage)
        /// Leads to the engine: what a client holds the other end of.
        case engine(EngineEndImage)
        case terminal(TerminalImage)
        case eventCounter(EventCounterImage)
        case timer(TimerDescriptorImage)
        case signals(SignalDescriptorImage)
        case pollSet(PollSetImage)
        case watches(WatchesImage)
        case socket(SocketImage)
        case memoryFile(MemoryFileImage)
        case processHandle(ProcessHandleImage)
    }
}

/// Memory that several mappings show.
struct SharedMemoryImage: Codable, Sendable {
    var kind: Kind
    /// In bytes; of a file in the sandbox, not used.
    var size: UInt64 = 0
    /// Where content is.
    var pieces: [ContentPiece] = []

    enum Kind: Codable, Sendable {
        /// Made by mmap(MAP_SHARED | MAP_ANONYMOUS).
        case anonymous
        /// Made by memfd_create(2).
        case memoryFile(name: String, seals: Int32)
        /// A file without a name, index into `TreeImage.deletedFiles`.
        case deletedFile(Int)
        /// A file without a name that only mappings lead to.
        case deletedMapping(DeletedFileName)
        /// A file in the sandbox, by its path; it is there already when processes are restored.
        case file(String)
    }
}

/// A part of an object's content; what lies between parts is zero.
struct ContentPiece: Codable, Sendable {
    var offset: UInt64
    var content: Blob
}

/// A file, folder or link below /dev/shm.
struct SharedFolderEntry: Codable, Sendable {
    /// Relative to /dev/shm.
    var path: String
    var permissions: UInt32
    var owner: UInt32
    var group: UInt32
    var kind: Kind

    enum Kind: Codable, Sendable {
        case folder
        case link(target: String)
        case file(size: UInt64, pieces: [ContentPiece])
    }
}
