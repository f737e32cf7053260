import CKernel
import Glibc
import Kernel
import Synchronization

/// What processes share while they are restored: objects are made once, by the engine, and handed to every process that has them.
/// Belongs to the tracing thread, which is in the sandbox's network namespace.
final class RestoreContext {
    let tree: TreeImage
    /// The sandbox's first process, in the engine's numbering.
    let initPid: Int32
    /// The sandbox's root folder.
    let root: OwnedFD

    /// The restored processes, from their numbers inside to the engine's.
    var pids: [Int32: Int32] = [:]

    var descriptions: [Int: SharedDescriptor] = [:]
    private var pollSetOwners: [Int: Int32] = [:]
    private var pipes: [Int: SharedDescriptor] = [:]
    private var terminals: [Int: SharedDescriptor] = [:]
    private var deletedFiles: [Int: SharedDescriptor] = [:]
    private var sharedMemory: [Int: SharedDescriptor] = [:]
    /// What was made for the engine to hold: by name, the engine's ends.
    private var engineEnds: [String: SharedDescriptor] = [:]
    private var processEnds: [String: SharedDescriptor] = [:]

    init(_ tree: TreeImage, initPid: Int32) throws(KernelError) {
        self.tree = tree
        self.initPid = initPid
        root = try OwnedFD.open(FilePath(verbatim: "/proc/\(initPid)/root"), [.directory, .pathOnly])
    }

    /// Whether a process is the one that fills the poll set of a description: the first that has asked.
    func fillsPollSet(_ description: Int, _ process: RestoringProcess) -> Bool {
        if pollSetOwners[description] == nil { pollSetOwners[description] = process.image.pid }
        return pollSetOwners[description] == process.image.pid
    }

    func withPipe<Value: ~Copyable>(
        _ index: Int, _ body: (borrowing OwnedFD) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        if pipes[index] == nil { pipes[index] = SharedDescriptor(try Pipes.make(tree.pipes[index], in: root)) }
        guard let pipe = pipes[index] else { preconditionFailure("a pipe was just made") }
        return try body(pipe.descriptor)
    }

    func withTerminal<Value: ~Copyable>(
        _ index: Int, _ body: (borrowing OwnedFD) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        if terminals[index] == nil {
            terminals[index] = SharedDescriptor(try Terminals.make(tree.terminals[index], in: root))
        }
        guard let master = terminals[index] else { preconditionFailure("a terminal was just made") }
        return try body(master.descriptor)
    }

    func withSharedMemory<Value: ~Copyable>(
        _ index: Int, _ body: (borrowing OwnedFD) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        if sharedMemory[index] == nil {
            let mayBeWritten = tree.processes.contains { $0.memory.mayWriteShared(index) }
            let image = tree.sharedMemory[index]
            if case .deletedFile(let file) = image.kind {
                sharedMemory[index] = SharedDescriptor(try openDeletedFile(file, mayBeWritten ? .readWrite : .read))
            } else {
                sharedMemory[index] = SharedDescriptor(
                    try SharedMemory.make(image, mayBeWritten: mayBeWritten, in: root))
            }
        }
        guard let memory = sharedMemory[index] else { preconditionFailure("memory was just made") }
        return try body(memory.descriptor)
    }

    func openDeletedFile(_ index: Int, _ flags: FileOpenFlags) throws(KernelError) -> OwnedFD {
        if deletedFiles[index] == nil {
            deletedFiles[index] = SharedDescriptor(try DeletedFiles.make(tree.deletedFiles[index], in: root))
        }
        guard let file = deletedFiles[index] else { preconditionFailure("a file was just made") }
        return try file.descriptor.reopen(flags)
    }

    func withEnginePipe<Value: ~Copyable>(
        _ image: EngineEndImage, _ body: (borrowing OwnedFD) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        let name = image.name
        if processEnds[name] == nil {
            var pipe = try Pipe()
            let reading = SharedDescriptor(pipe.takeReadEnd())
            let writing = SharedDescriptor(pipe.takeWriteEnd())
            if let unread = image.unread {
                try Pipes.setCapacity(of: writing.descriptor, unread.capacity, for: unread.content)
                for piece in unread.content { try writing.descriptor.writeAll(piece.bytes) }
                (processEnds[name], engineEnds[name]) = (reading, writing)
            } else {
                (processEnds[name], engineEnds[name]) = (writing, reading)
            }
        }
        guard let end = processEnds[name] else { preconditionFailure("a pipe was just made") }
        return try body(end.descriptor)
    }

    /// The engine's ends, for whoever asked for the restore.
    func takeEngineEnds() throws(KernelError) -> [String: RestoredEnd] {
        for (index, terminal) in tree.terminals.enumerated() {
            if let name = terminal.engineEnd, let master = terminals[index] { engineEnds[name] = master }
        }
        var ends: [String: RestoredEnd] = [:]
        for (name, end) in engineEnds { ends[name] = RestoredEnd(try end.descriptor.duplicate()) }
        return ends
    }
}

/// The engine's end of a restored pipe, or its master of a terminal. To be taken once.
public final class RestoredEnd: Sendable {
    private let descriptor: Mutex<OwnedFD?>

    init(_ descriptor: consuming OwnedFD) { self.descriptor = Mutex(descriptor) }

    public func take() -> OwnedFD {
        guard let descriptor = descriptor.withLock({ $0.take() }) else {
            preconditionFailure("an engine's end is taken once")
        }
        return descriptor
    }
}
