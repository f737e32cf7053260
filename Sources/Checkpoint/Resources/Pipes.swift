import Glibc
import Kernel

/// A pipe or a named one, with what lies in it.
struct PipeImage: Codable, Sendable {
    /// Of a named pipe.
    var path: String?
    /// In bytes.
    var capacity: Int32
    /// Whether writes are kept apart (pipe2(2), O_DIRECT).
    var isPacketed: Bool
    /// Whether whoever writes to it waits: not every page of what lies in it need be full.
    var isFull = false
    /// As a reader would get it: in one piece, or packet by packet.
    var content: [Blob]
}

/// One end of a pipe.
struct PipeEndImage: Codable, Sendable {
    /// Index into `TreeImage.pipes`.
    var pipe: Int
}

enum Pipes {
    private static let packeted: Int32 = 0o40000  // O_DIRECT

    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> PipeEndImage {
        do throws(KernelError) {
            let index: Int
            if let known = context.pipes[view.status.identity] {
                index = known
            } else {
                index = context.tree.pipes.count
                context.tree.pipes.append(try read(view))
                context.pipes[view.status.identity] = index
            }
            if view.info.flags & O_ACCMODE != O_RDONLY {
                // Only ends for writing tell.
                if view.info.flags & packeted != 0 { context.tree.pipes[index].isPacketed = true }
                if try !view.duplicate().waitUntilWritable(milliseconds: 0) { context.tree.pipes[index].isFull = true }
            }
            return PipeEndImage(pipe: index)
        } catch {
            throw .kernel(error)
        }
    }

    /// Copies a pipe's content without taking it out.
    fileprivate static func read(_ view: DescriptorView) throws(KernelError) -> PipeImage {
        // Opened anew, because the process may only have the end that cannot be read; a pipe with its own readers and writers
        // blocks nobody who opens it (fifo(7)).
        let source = try OwnedFD.open(
            FilePath(verbatim: "/proc/\(view.process)/fd/\(view.number)"), [.read, .nonBlocking])
        let capacity = try source.pipeCapacity()
        var copy = try Pipe()
        let readEnd = copy.takeReadEnd()
        let writeEnd = copy.takeWriteEnd()
        try writeEnd.setPipeCapacity(capacity)
        let count = try source.copyPipeContent(to: writeEnd, upTo: Int(capacity))
        var content: [Blob] = []
        var size = 0
        while size < count {
            guard case .bytes(let bytes) = try readEnd.readOnce(upTo: count - size) else { break }
            content.append(Blob(bytes))
            size += bytes.count
        }
        let isNamed = view.number(ofKind: "pipe") == nil
        return PipeImage(
            path: isNamed && !view.isDeleted ? view.path : nil, capacity: capacity,
            isPacketed: false, content: content)
    }

    static func open(
        _ image: PipeEndImage, flags: Int32, _ context: RestoreContext
    ) throws(KernelError) -> OwnedFD {
        try context.withPipe(image.pipe) { pipe throws(KernelError) in
            // O_DIRECT, which keeps writes apart, is refused here and set afterwards (fs/open.c, do_dentry_open).
            try pipe.reopen(FileOpenFlags(rawValue: flags & (O_ACCMODE | O_NONBLOCK)))
        }
    }

    /// Makes a pipe with its content: a descriptor for reading and writing, which holds it while ends are made.
    static func make(_ image: PipeImage, in root: borrowing OwnedFD) throws(KernelError) -> OwnedFD {
        let pipe: OwnedFD
        if let path = image.path {
            pipe = try root.open(try FilePath(validating: path), [.readWrite, .nonBlocking], resolving: .inRoot)
        } else {
            var fresh = try Pipe()
            pipe = try fresh.takeWriteEnd().reopen([.readWrite, .nonBlocking])
        }
        try setCapacity(of: pipe, image.capacity, for: image.content)
        if image.isPacketed { try pipe.setStatusFlags(packeted | O_NONBLOCK) }
        for piece in image.isFull && !image.isPacketed ? spread(image) : image.content.map(\.bytes) {
            try pipe.writeAll(piece)
        }
        return pipe
    }

    /// Gives a pipe its capacity back. A user whose pipes take all the memory that they may (pipe(7), pipe-user-pages-soft) gets a smaller
    /// one, where it has room for the content.
    static func setCapacity(
        of pipe: borrowing OwnedFD, _ capacity: Int32, for content: [Blob]
    ) throws(KernelError) {
        do throws(KernelError) {
            try pipe.setPipeCapacity(capacity)
        } catch let error where error.errno == .notPermitted {
            if try content.reduce(0, { $0 + $1.bytes.count }) > pipe.pipeCapacity() { throw error }
        }
    }

    /// What lay in a full pipe in parts that fill it again: a write of up to a page goes to the end of the last page only where all
    /// of it has room there (fs/pipe.c, pipe_write), so parts of more than half a page take one each.
    private static func spread(_ image: PipeImage) -> [[UInt8]] {
        let pageSize = 4096
        let bytes = image.content.flatMap(\.bytes)
        let pages = Int(image.capacity) / pageSize
        let (head, last) = (bytes.dropLast(pageSize), bytes.suffix(pageSize))
        guard pages > 1, head.count / (pages - 1) > pageSize / 2 else { return [bytes] }
        var parts: [[UInt8]] = []
        var rest = head
        for left in stride(from: pages - 1, to: 0, by: -1) {
            let size = rest.count / left
            parts.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return parts + [Array(last)]
    }
}

/// A descriptor that leads to the engine, whose other end a client holds through `process/start`.
struct EngineEndImage: Codable, Sendable {
    /// As whoever asked for the capture names it.
    var name: String
    /// Of a pipe that the process reads from: what the engine has written and the process has not read.
    var unread: PipeImage?
}

enum EngineEnds {
    /// What lies in a pipe that the process writes to is the engine's to read before it goes on.
    static func capture(_ view: DescriptorView, _ name: String) throws(ResourceError) -> EngineEndImage {
        if view.info.flags & O_ACCMODE != O_RDONLY { return EngineEndImage(name: name) }
        do throws(KernelError) {
            return EngineEndImage(name: name, unread: try Pipes.read(view))
        } catch {
            throw .kernel(error)
        }
    }

    /// Makes the process's end; the other one goes to the context.
    static func open(
        _ image: EngineEndImage, flags: Int32, _ context: RestoreContext
    ) throws(KernelError) -> OwnedFD {
        try context.withEnginePipe(image) { end throws(KernelError) in
            try end.reopen(FileOpenFlags(rawValue: flags & (O_ACCMODE | O_NONBLOCK)))
        }
    }
}
